"""SMS gateways and other HTTP interfaces that a description tells apart: one request, one answer, one verdict.

Rule: no redirect is followed, no proxy of the environment is used, and an answer is read up to a limit and a deadline: the
far side is never trusted. A broken connection after the request is `Retry` with the same key, because nobody knows.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from connectors.described_http import address, judged, prepared, seconds
from connectors.notify.description import PARAMS_LIST, Description
from connectors.signatures import Request, canonical_query
from hub.vocabulary.ports import GiveUp, OutgoingNotice, Retry, Sent

TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5.0
LARGEST_ANSWER: Final = 64 * 1024


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
        return f"{description.name}: {description.method} {address(description, self._values)}"

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
        whole = {PARAMS_LIST: parameters}
        request = prepared(description, values, whole, int(time.time()), secrets.token_hex(16))
        return request or GiveUp(reason="a header would hold what headers cannot: put this value into the body")

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
                return judged(
                    self._description, answer.status_code, seconds(answer.headers.get("Retry-After")), payload
                )
        except httpx2.TimeoutException:
            return Retry(reason=f"no answer within {self._timeout_s:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Retry(reason=f"{type(error).__name__}: {error}"[:200])
