"""A request of another system's HTTP interface as data: what is sent, how it is signed, and what its answers mean.

`{name}` in a text of url, headers, query, form or json stands for a value. Values are put in where they stand and encoded for
that place, so that no text of a person or a device can change the request. A json text that is exactly one `{name}` becomes
the value itself where it is not text: a number, a list, null. SMS gateways (connectors.notify) and city platforms
(connectors.platforms) are described this way; sending is theirs, this module only prepares and judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import yaml

from connectors.signatures import SIGNATURES, Request
from connectors.signatures import Signing as SigningInput
from hub.vocabulary.facts import NotifierFacts
from hub.vocabulary.ports import GiveUp, Retry, Sent

LARGEST_DESCRIPTION: Final = 64 * 1024
LONGEST_WAIT_S: Final = 3_600.0
PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
TRY_AGAIN: Final = frozenset({408, 425, 429})

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Signing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which signature, with which of the declared secrets; `options` are the signature's own (action, version …)."""

    by: Literal["none", "hmac-sha256", "aliyun-v3", "tencent-v3"] = "none"
    key_id: str = ""
    secret: str = ""
    options: dict[str, str] = {}


class Success(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the far side has taken it: the status, and where the answer is JSON the word at `path`."""

    status: tuple[int, ...] = (200,)
    path: str = ""
    equals: str = ""


class RequestDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One interface. Paths go through JSON with dots; list places are numbers: `Response.SendStatusSet.0.Code`."""

    name: str
    source: str  # the provider's document
    url: str
    settings: tuple[Name, ...] = ()
    defaults: dict[Name, str] = {}
    secrets: tuple[Name, ...] = ()
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    form: dict[str, str] = {}
    json: dict[str, Any] | None = None
    signing: Signing = Signing()
    success: Success = Success()
    error_path: str = ""  # where else an error's word stands
    answer_path: str = ""  # the provider's sentence
    message_id: str = ""
    retry: tuple[str, ...] = ()  # words after which trying again makes sense; an entry that ends in * is a prefix

    def facts(self) -> NotifierFacts:
        """What a site file has to say about it."""
        return NotifierFacts(settings=self.settings, optional=tuple(self.defaults), secrets=self.secrets)

    def check_request(self, own: frozenset[str]) -> None:
        """Raise ValueError with what is wrong; `own`: names that the sender gives values to."""
        known = own | {*self.settings, *self.defaults, *self.secrets}
        for text in self.texts():
            for name in PLACEHOLDER.findall(text):
                if name not in known:
                    raise ValueError(f"{{{name}}} is neither a setting nor a secret nor one of {sorted(own)}")
        url = urlsplit(self.url)
        if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
            raise ValueError("url must be http(s)://HOST/PATH; what stands behind ? belongs into `query`")
        in_host = set(PLACEHOLDER.findall(url.netloc)) - {*self.settings, *self.defaults}
        if in_host or "@" in url.netloc:
            raise ValueError("the host of url may be set by a setting only, never by what is sent")
        if self.json is not None and self.form:
            raise ValueError("`json` and `form` stand side by side: one of the two")
        for name in (self.signing.key_id, self.signing.secret):
            if name and name not in self.secrets:
                raise ValueError(f"signing names {name!r}, which is not one of the secrets")
        if self.signing.by != "none" and not self.signing.secret:
            raise ValueError("signing names no secret")

    def texts(self) -> Iterator[str]:
        """Every text in which a name may stand."""
        yield self.url
        for group in (self.headers, self.query, self.form, self.signing.options):
            yield from group.values()
        if self.json is not None:
            yield from _strings(self.json)


T = TypeVar("T", bound=RequestDescription)


def read_yaml_as(path: Path, shape: type[T]) -> T:
    """Read a description; raises ValueError with what is wrong, OSError. It is not checked yet."""
    if path.stat().st_size > LARGEST_DESCRIPTION:
        raise ValueError(f"larger than {LARGEST_DESCRIPTION} bytes")
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), shape)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


# --- the request --------------------------------------------------------------------------------------------


def prepared(
    description: RequestDescription, values: Mapping[str, str], whole: Mapping[str, Any], at_s: int, nonce: str
) -> Request | None:
    """The signed request; None where a header would hold what headers cannot. `whole`: values that are not text."""
    headers = {name: filled(value, values) for name, value in description.headers.items()}
    if any(CONTROL.search(value) or not value.isascii() for value in headers.values()):
        return None
    content_type, body = _body(description, values, whole)
    request = Request(
        method=description.method,
        url=address(description, values),
        query={name: filled(value, values) for name, value in description.query.items()},
        headers={**({"Content-Type": content_type} if content_type else {}), **headers},
        body=body,
    )
    signing = description.signing
    signed = SIGNATURES[signing.by](
        request,
        SigningInput(
            key_id=values.get(signing.key_id, ""),
            secret=values.get(signing.secret, ""),
            at_s=at_s,
            nonce=nonce,
            options={name: filled(value, values) for name, value in signing.options.items()},
        ),
    )
    return msgspec.structs.replace(request, headers={**request.headers, **signed})


def address(description: RequestDescription, values: Mapping[str, str]) -> str:
    """The URL: settings stand as the site file has them (a host with its port), everything else is encoded."""
    own = {*description.settings, *description.defaults}

    def value(found: re.Match[str]) -> str:
        text = values.get(found[1], "")
        return text if found[1] in own else quote(text, safe="")

    return PLACEHOLDER.sub(value, description.url)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its values."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)


def _body(description: RequestDescription, values: Mapping[str, str], whole: Mapping[str, Any]) -> tuple[str, bytes]:
    if description.json is not None:
        return "application/json; charset=utf-8", msgspec.json.encode(_tree(description.json, values, whole))
    if description.form:
        pairs = {name: filled(value, values) for name, value in description.form.items()}
        return "application/x-www-form-urlencoded", urlencode(pairs).encode()
    return "", b""


def _tree(value: Any, values: Mapping[str, str], whole: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        only = PLACEHOLDER.fullmatch(value)
        return whole[only[1]] if only is not None and only[1] in whole else filled(value, values)
    if isinstance(value, Mapping):
        return {name: _tree(item, values, whole) for name, item in value.items()}
    if isinstance(value, list):
        return [_tree(item, values, whole) for item in value]
    return value


# --- the answer ---------------------------------------------------------------------------------------------


def judged(
    description: RequestDescription, status: int, retry_after_s: float | None, payload: bytes
) -> Sent | Retry | GiveUp:
    """What an answer means."""
    answer = _decoded(payload)
    word = _at(answer, description.success.path) or _at(answer, description.error_path)
    said = _line(status, word, _at(answer, description.answer_path))
    if status in description.success.status and description.success.equals == (word or ""):
        return Sent(answer=said, provider_id=_at(answer, description.message_id) or None)
    if any(_matches(word or "", pattern) for pattern in description.retry) or status in TRY_AGAIN:
        return Retry(reason=said, after_s=retry_after_s)
    if status >= 500 or (status in description.success.status and word is None):
        return Retry(reason=said, after_s=retry_after_s)
    return GiveUp(reason=said)


def seconds(text: str | None) -> float | None:
    """Of Retry-After; a date is not understood, the sender's own pace serves then."""
    if text is None or len(text) > 12 or not text.strip().isdigit():
        return None
    return min(float(text), LONGEST_WAIT_S)


def _decoded(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _at(answer: Any, path: str) -> str | None:
    """The word at a dotted path; None where there is none."""
    if not path:
        return None
    for step in path.split("."):
        if isinstance(answer, list) and step.isdigit() and int(step) < len(answer):
            answer = answer[int(step)]
        elif isinstance(answer, Mapping) and step in answer:
            answer = answer[step]
        else:
            return None
    return answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()


def _line(status: int, word: str | None, sentence: str | None) -> str:
    parts = [f"HTTP {status}", *(part for part in (word, sentence) if part)]
    return CONTROL.sub(" ", " ".join(parts))[:300]


def _matches(word: str, pattern: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern
