"""An SMS gateway's request as data: what is sent, how it is signed, and what its answers mean.

`{name}` in a text of url, headers, query, form or json stands for a value: `address`, `title`, `body`, `key`, `code`
(registered text), `params_json`, or one of the declared settings and secrets. Values are put in where they stand and
encoded for that place, so that no text of a resident can change the request. A json text that is exactly `{params_list}`
becomes the list of parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import yaml

from hub.vocabulary.facts import NotifierFacts

ADAPTERS: Final = Path(__file__).parent / "adapters"
LARGEST_DESCRIPTION: Final = 64 * 1024
PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
NOTICE_VALUES: Final = frozenset({"address", "title", "body", "key", "code", "params_json"})
PARAMS_LIST: Final = "{params_list}"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Signing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which signature, with which of the declared secrets; `options` are the signature's own (action, version …)."""

    by: Literal["none", "hmac-sha256", "aliyun-v3", "tencent-v3"] = "none"
    key_id: str = ""
    secret: str = ""
    options: dict[str, str] = {}


class Success(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the gateway has taken it: the status, and where the answer is JSON the word at `path`."""

    status: tuple[int, ...] = (200,)
    path: str = ""
    equals: str = ""


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One gateway. Paths go through JSON with dots; list places are numbers: `Response.SendStatusSet.0.Code`."""

    name: str
    source: str  # the provider's document
    url: str
    settings: tuple[Name, ...] = ()
    defaults: dict[Name, str] = {}
    secrets: tuple[Name, ...] = ()
    registered_texts: bool = False
    receipts: bool = False
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    form: dict[str, str] = {}
    json: dict[str, Any] | None = None
    signing: Signing = Signing()
    address: str = r"^\+?[0-9][0-9 -]{4,20}$"  # what an address must look like
    address_prefix: str = ""  # put before a number that has no +
    success: Success = Success()
    error_path: str = ""  # where else an error's word stands
    answer_path: str = ""  # the provider's sentence
    message_id: str = ""
    retry: tuple[str, ...] = ()  # words after which trying again makes sense; an entry that ends in * is a prefix

    def facts(self) -> NotifierFacts:
        """What a site file has to say about it."""
        return NotifierFacts(
            settings=self.settings,
            optional=tuple(self.defaults),
            secrets=self.secrets,
            registered_texts=self.registered_texts,
        )

    def values(self) -> frozenset[str]:
        """Every name that a text may use."""
        return NOTICE_VALUES | {*self.settings, *self.defaults, *self.secrets}

    def check(self) -> None:
        """Raise ValueError with what is wrong."""
        for text in self._texts():
            for name in PLACEHOLDER.findall(text.replace(PARAMS_LIST, "")):
                if name not in self.values():
                    raise ValueError(f"{{{name}}} is neither a setting nor a secret nor one of {sorted(NOTICE_VALUES)}")
        url = urlsplit(self.url)
        if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
            raise ValueError("url must be http(s)://HOST/PATH; what stands behind ? belongs into `query`")
        in_host = set(PLACEHOLDER.findall(url.netloc)) - {*self.settings, *self.defaults}
        if in_host or "@" in url.netloc:
            raise ValueError("the host of url may be set by a setting only, never by a notice")
        if self.json is not None and self.form:
            raise ValueError("`json` and `form` stand side by side: one of the two")
        for name in (self.signing.key_id, self.signing.secret):
            if name and name not in self.secrets:
                raise ValueError(f"signing names {name!r}, which is not one of the secrets")
        if self.signing.by != "none" and not self.signing.secret:
            raise ValueError("signing names no secret")
        re.compile(self.address)

    def _texts(self) -> Iterator[str]:
        yield self.url
        for group in (self.headers, self.query, self.form, self.signing.options):
            yield from group.values()
        if self.json is not None:
            yield from _strings(self.json)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def read_description(path: Path) -> Description:
    """Read and check one. Raises ValueError with what is wrong, OSError."""
    if path.stat().st_size > LARGEST_DESCRIPTION:
        raise ValueError(f"larger than {LARGEST_DESCRIPTION} bytes")
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Description)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    found.check()
    return found


def shipped() -> Mapping[str, Description]:
    """The adapters that come with the hub, by name."""
    return {path.stem: read_description(path) for path in sorted(ADAPTERS.glob("*.yaml"))}
