"""A city platform as a way out: each change of a case becomes the messages that the description asks for.

Drills are never told to a city. A case of an elevator without a registration code is refused, not passed over in silence: the
problem that follows says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import tzinfo
from zoneinfo import ZoneInfo

from connectors.codecs.city import Step, steps_of, values_of
from connectors.described_http import address, judged, prepared
from connectors.outside_http import Outside, OutsideError
from connectors.platforms import Platform, milestones_in
from connectors.signatures import canonical_query
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import GiveUp, PublicChange, PutAside, Refused, Retry, Sent

Verdict = Sent | Retry | GiveUp | Refused | PutAside


class PlatformWay:
    """hub.vocabulary.ports.WayOut. `values` are the declared settings and secrets, `elevators` device → registration code."""

    wants_case = True

    def __init__(
        self,
        outside: Outside,
        platform: Platform,
        values: Mapping[str, str],
        elevators: Mapping[str, str],
        zone: tzinfo,
        clock: Callable[[], UtcMs],
    ) -> None:
        self._outside = outside
        self._platform = platform
        self._values = {**platform.defaults, **values}
        self._elevators = elevators
        self._zone = zone if platform.times.zone == "site" else ZoneInfo(platform.times.zone)
        self._clock = clock

    def check(self) -> str:
        """Where it would go. Raises ValueError with what is wrong."""
        return self._outside.check(address(self._platform, self._values))

    def deliver(self, change: PublicChange) -> Verdict:
        """The messages of this change, one after the other; all of them again where one was not taken."""
        ticket = change.body
        if not change.type.startswith("ticket_") or ticket.get("kind") not in self._platform.kinds:
            return PutAside(reason="no case of this platform")
        if ticket.get("drill"):
            return PutAside(reason="a drill")
        steps = steps_of(self._platform.steps, (change.case or {}).get("words", ()))
        if not steps:
            return PutAside(reason="no step of this platform")
        device = str(ticket["subject"]["id"])
        code = self._elevators.get(device)
        if code is None:
            return Refused(reason=f"elevator {device} has no registration code in publishing.platforms")
        said: list[str] = []
        for step in steps:
            verdict = self._tell(change, step, code)
            if not isinstance(verdict, Sent):
                return verdict
            said.append(f"{step.name}: {verdict.answer}")
        return Sent(answer="; ".join(said))

    def _tell(self, change: PublicChange, step: Step, code: str) -> Sent | Retry | Refused:
        platform = self._platform
        description = platform.request(step)
        found = dict.fromkeys(milestones_in(description)) | values_of(
            change, step.name, code, platform.times, self._zone, platform.fields
        )
        texts = {name: "" if value is None else str(value) for name, value in found.items()}
        whole = {name: value for name, value in found.items() if not isinstance(value, str)}
        request = prepared(description, self._values | texts, whole, self._clock() // 1000, secrets.token_hex(16))
        if request is None:
            return Refused(reason=f"{step.name}: a header would hold what headers cannot")
        url = request.url + (f"?{canonical_query(request.query)}" if request.query else "")
        try:
            answer = self._outside.exchange(request.method, url, request.headers, request.body)
        except OutsideError as error:
            return Retry(reason=f"{step.name}: {error}")
        verdict = judged(description, answer.status, answer.retry_after_s, answer.body)
        if isinstance(verdict, GiveUp):  # of this message; the next case may be taken
            return Refused(reason=f"{step.name}: {verdict.reason}")
        return verdict
