"""A webhook: one signed request for each change of the feed, and what its answer means.

Rule: what the receiver does not want (400, 413, 422) concerns this change alone; 410 is the standard word for 'never again';
everything else is tried again. Signed anew at each attempt, under the same id: receivers drop repeats by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from connectors.codecs import cap, cloudevents, standard_webhooks
from connectors.codecs.cloudevents import Source
from connectors.outside_http import Answer, Outside, OutsideError
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import GiveUp, PublicChange, PutAside, Refused, Retry, Sent

USER_AGENT: Final = "property-hub"
GONE: Final = 410
NOT_THIS_ONE: Final = frozenset({400, 413, 422})
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
PING: Final = "ping"

Verdict = Sent | Retry | GiveUp | Refused | PutAside


class Format(msgspec.Struct, frozen=True):
    """How a change is written: `write` answers None where this format has no words for it."""

    content_type: str
    write: Callable[[PublicChange, Source], bytes | None]


FORMATS: Final[Mapping[str, Format]] = {
    "cloudevents": Format(cloudevents.CONTENT_TYPE, cloudevents.encode),
    "cap": Format(cap.CONTENT_TYPE, cap.encode_change),
}


class WebhookWay:
    """One receiver (hub.vocabulary.ports.WayOut). `keys` gives those that sign now, newest first."""

    wants_case = False

    def __init__(
        self,
        outside: Outside,
        url: str,
        form: Format,
        keys: Callable[[], Sequence[bytes]],
        source: Source,
        clock: Callable[[], UtcMs],
    ) -> None:
        self._outside = outside
        self._url = url
        self._form = form
        self._keys = keys
        self._source = source
        self._clock = clock

    def check(self) -> str:
        """Where it would go. Raises ValueError with what is wrong."""
        return self._outside.check(self._url)

    def deliver(self, change: PublicChange) -> Verdict:
        """One attempt; nothing leaves unsigned."""
        form = self._form if change.type != PING else FORMATS["cloudevents"]
        body = form.write(change, self._source)
        if body is None:
            return PutAside(reason="this format has no words for it")
        keys = self._keys()
        if not keys:
            return Retry(reason="there is no key to sign with: give this webhook a new one")
        message_id = f"{self._source.hub}-{cloudevents.event_id(change)}"
        signed = standard_webhooks.headers(keys, message_id, self._clock() // 1000, body)
        headers = {"Content-Type": form.content_type, "User-Agent": USER_AGENT, **signed}
        try:
            return verdict(self._outside.exchange("POST", self._url, headers, body))
        except OutsideError as error:
            return Retry(reason=str(error))


def verdict(answer: Answer) -> Sent | Retry | GiveUp | Refused:
    """What an answer means for this change and for the next."""
    said = line(answer)
    if 200 <= answer.status < 300:
        return Sent(answer=said)
    if answer.status == GONE:
        return GiveUp(reason=said)
    if answer.status in NOT_THIS_ONE:
        return Refused(reason=said)
    return Retry(reason=said, after_s=answer.retry_after_s)


def line(answer: Answer) -> str:
    """The answer in one line for the log of attempts."""
    text = answer.body[:200].decode("utf-8", "replace")
    return CONTROL.sub(" ", f"HTTP {answer.status} {text}").strip()[:200]
