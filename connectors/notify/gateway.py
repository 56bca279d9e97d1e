"""SMS gateways and other HTTP interfaces that a description tells apart: one request, one answer, one verdict.

Rule: no redirect is followed, no proxy of the environment is used, and an answer is read up to a limit and a deadline: the
far side is never trusted. A broken connection after the request is `Retry` with the same key, because nobody knows.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from connectors.notify.description import PARAMS_LIST, PLACEHOLDER, Description
from connectors.notify.signatures import SIGNATURES, Request, Signing, canonical_query
from hub.vocabulary.ports import GiveUp, OutgoingNotice, Retry, Sent

TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5.0
LARGEST_ANSWER: Final = 64 * 1024
LONGEST_WAIT_S: Final = 3_600.0
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Text(msgspec.Struct, frozen=True):
    """The provider's code of a registered text, and the order of its parameters (none: by name)."""

    code: str
    params: tuple[str, ...] = ()


class Gateway:
    """A sender over HTTP (hub.vocabulary.ports.NoticeSender). `values` are the declared settings and secrets."""

    def __init__(
        self,
        description: Description,
        values: Mapping[str, str],
        texts: Mapping[str, Text],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._description = description
        self._values = {**description.defaults, **values}
        self._texts = texts
        self._timeout_s = timeout_s

    @property
    def receipts(self) -> bool:
        """As the description says."""
        return self._description.receipts

    def check(self) -> str:
        """What would be asked."""
        description = self._description
        return f"{description.name}: {description.method} {_filled(description.url, self._values, quoted=True)}"

    def send(self, notice: OutgoingNotice) -> Sent | Retry | GiveUp:
        """One request; never raises."""
        prepared = self._prepare(notice)
        return prepared if isinstance(prepared, GiveUp) else self._exchange(prepared)

    # --- the request --------------------------------------------------------------------------------------

    def _prepare(self, notice: OutgoingNotice) -> Request | GiveUp:
        description = self._description
        if not re.match(description.address, notice.address):
            return GiveUp(reason="the address is no number that this gateway takes")
        text = self._texts.get(notice.template, Text(""))
        if description.registered_texts and not text.code:
            return GiveUp(reason=f"no registered text for {notice.template!r} with {description.name}")
        values = self._values | self._notice_values(notice, text)
        parameters = [notice.params.get(name, "") for name in text.params] or list(notice.params.values())
        headers = {name: _filled(value, values) for name, value in description.headers.items()}
        if any(CONTROL.search(value) or not value.isascii() for value in headers.values()):
            return GiveUp(reason="a header would hold what headers cannot: put this value into the body")
        content_type, body = _body(description, values, parameters)
        request = Request(
            method=description.method,
            url=_filled(description.url, values, quoted=True),
            query={name: _filled(value, values) for name, value in description.query.items()},
            headers={**({"Content-Type": content_type} if content_type else {}), **headers},
            body=body,
        )
        return msgspec.structs.replace(request, headers={**request.headers, **self._signed(request, values)})

    def _notice_values(self, notice: OutgoingNotice, text: Text) -> dict[str, str]:
        number = re.sub(r"[ -]", "", notice.address)
        prefix = "" if number.startswith("+") else self._description.address_prefix
        return {
            "address": prefix + number,
            "title": notice.title,
            "body": notice.body,
            "key": notice.key,
            "code": text.code,
            "params_json": msgspec.json.encode(dict(notice.params)).decode(),
        }

    def _signed(self, request: Request, values: Mapping[str, str]) -> Mapping[str, str]:
        signing = self._description.signing
        return SIGNATURES[signing.by](
            request,
            Signing(
                key_id=values.get(signing.key_id, ""),
                secret=values.get(signing.secret, ""),
                at_s=int(time.time()),
                nonce=secrets.token_hex(16),
                options={name: _filled(value, values) for name, value in signing.options.items()},
            ),
        )

    # --- the answer ---------------------------------------------------------------------------------------

    def _exchange(self, request: Request) -> Sent | Retry | GiveUp:
        import httpx2

        url = request.url + (f"?{canonical_query(request.query)}" if request.query else "")
        timeout = httpx2.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s))
        deadline = time.monotonic() + self._timeout_s
        try:
            with (
                httpx2.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client,
                client.stream(request.method, url, content=request.body, headers=dict(request.headers)) as answer,
            ):
                payload = b""
                for chunk in answer.iter_bytes():
                    payload += chunk
                    if len(payload) > LARGEST_ANSWER or time.monotonic() > deadline:
                        return Retry(reason="the answer never ends")
                return self._verdict(answer.status_code, answer.headers.get("Retry-After"), payload)
        except httpx2.TimeoutException:
            return Retry(reason=f"no answer within {self._timeout_s:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Retry(reason=f"{type(error).__name__}: {error}"[:200])

    def _verdict(self, status: int, retry_after: str | None, payload: bytes) -> Sent | Retry | GiveUp:
        description = self._description
        answer = _decoded(payload)
        word = _at(answer, description.success.path) or _at(answer, description.error_path)
        said = _line(status, word, _at(answer, description.answer_path))
        if status in description.success.status and description.success.equals == (word or ""):
            return Sent(answer=said, provider_id=_at(answer, description.message_id) or None)
        if any(_matches(word or "", pattern) for pattern in description.retry) or status in {408, 425, 429}:
            return Retry(reason=said, after_s=_seconds(retry_after))
        if status >= 500 or (status in description.success.status and word is None):
            return Retry(reason=said, after_s=_seconds(retry_after))
        return GiveUp(reason=said)


def _filled(text: str, values: Mapping[str, str], *, quoted: bool = False) -> str:
    return PLACEHOLDER.sub(lambda found: _value(values, found[1], quoted=quoted), text)


def _value(values: Mapping[str, str], name: str, *, quoted: bool) -> str:
    value = values.get(name, "")
    return quote(value, safe="") if quoted else value


def _body(description: Description, values: Mapping[str, str], parameters: list[str]) -> tuple[str, bytes]:
    if description.json is not None:
        return "application/json; charset=utf-8", msgspec.json.encode(_tree(description.json, values, parameters))
    if description.form:
        pairs = {name: _filled(value, values) for name, value in description.form.items()}
        return "application/x-www-form-urlencoded", urlencode(pairs).encode()
    return "", b""


def _tree(value: Any, values: Mapping[str, str], parameters: list[str]) -> Any:
    if value == PARAMS_LIST:
        return parameters
    if isinstance(value, str):
        return _filled(value, values)
    if isinstance(value, Mapping):
        return {name: _tree(item, values, parameters) for name, item in value.items()}
    if isinstance(value, list):
        return [_tree(item, values, parameters) for item in value]
    return value


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


def _seconds(text: str | None) -> float | None:
    """Of Retry-After; a date is not understood, the loop's own pace serves then."""
    if text is None or not text.strip().isdigit():
        return None
    return min(float(text), LONGEST_WAIT_S)
