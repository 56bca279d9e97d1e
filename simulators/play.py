"""Plays a scenario against a running hub and says whether the right tickets came, and no others.

Only tickets that did not exist before count, so the hub may have a past; but an active ticket of an expected kind about one
of the scenario's subjects would swallow what the scenario causes, so the scenario does not start while there is one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from simulators.check import Outcome, Ticket, Verdict, unexpected
from simulators.estate import Estate, Player
from simulators.hub_api import HubApi, HubError
from simulators.scenario import Script

LOOK_EVERY_S = 0.4
CONNECT_WITHIN_S = 20.0
READY_WITHIN_S = 30.0
FAILED_LOOKS = 5
MOST_NAMED = 5


class NotPlayableError(Exception):
    """The scenario cannot be judged on this hub now."""


@dataclass(frozen=True)
class Result:
    """How it came out: the expectations, and tickets that nothing expected."""

    verdicts: tuple[Verdict, ...]
    unexpected: tuple[Ticket, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came as expected and nothing else."""
        return not self.unexpected and all(verdict.outcome is Outcome.PASSED for verdict in self.verdicts)


class Judge:
    """Looks at the hub's tickets while the scenario runs. `slack_s` are real seconds that a hub may take for anything."""

    def __init__(self, script: Script, api: HubApi, speed: float, slack_s: float) -> None:
        self._script, self._api, self._allowance_s = script, api, slack_s * speed
        self._subjects = sorted({(target.site, target.id) for target in script.targets})
        self._known: set[str] = set()
        self.verdicts = tuple(Verdict(item) for item in script.expectations)
        self.tickets: list[dict[str, Any]] = []

    def remember(self) -> list[str]:
        """Note the tickets that exist already; the answer names those that would swallow an expected one."""
        tickets = self._api.tickets(self._subjects)
        self._known = set(tickets)
        awaited = {
            (item.kind, subject) for item in self._script.expectations if item.count_max for subject in item.subjects
        }
        return [
            f"{ticket.get('number', ticket['id'])} ({ticket['kind']}, {ticket['subject']['id']})"
            for ticket in tickets.values()
            if ticket["active"] and (ticket["kind"], ticket["subject"]["id"]) in awaited
        ]

    def fetch(self) -> None:
        """Ask the hub for the tickets that are new since `remember`."""
        found = self._api.tickets(self._subjects)
        self.tickets = [ticket for ticket_id, ticket in found.items() if ticket_id not in self._known]

    def judge(self, asked_s: float, answered_s: float) -> None:
        """Let every expectation look at what `fetch` brought; the times are the scenario's."""
        for verdict in self.verdicts:
            held = verdict.expectation.hold
            verdict.look(self.tickets, asked_s if held else asked_s - self._allowance_s, answered_s)

    @property
    def waiting(self) -> bool:
        """Whether something that should happen has not been seen yet."""
        return any(verdict.outcome is Outcome.WAITING and not verdict.expectation.hold for verdict in self.verdicts)

    def result(self) -> Result:
        """Close every expectation and name what nothing expected."""
        for verdict in self.verdicts:
            verdict.close()
        return Result(self.verdicts, tuple(unexpected(self._script, self.tickets)))


async def play(script: Script, estate: Estate, api: HubApi, slack_s: float) -> Result:
    """Run the scenario and judge it. Raises EstateError, NotPlayableError and HubError."""
    estate.check(script)
    judge = Judge(script, api, estate.speed, slack_s)
    player = Player(script, estate, paused=True)
    stop = asyncio.Event()
    try:
        await estate.start()
        running = asyncio.create_task(estate.run(stop, player))
        try:
            await _connected(estate)
            await asyncio.sleep(script.settle_s / estate.speed)
            await _ready(judge)
            player.paused = False
            await _watch(judge, player, script, running, slack_s * estate.speed)
        finally:
            stop.set()
            await running
    finally:
        await estate.stop()
    return judge.result()


async def _ready(judge: Judge) -> None:
    """Wait until no active ticket is in the way: those about silent devices end by themselves once the devices speak."""
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while True:
        in_the_way = await asyncio.to_thread(judge.remember)
        if not in_the_way:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise NotPlayableError(f"still active, close them first: {', '.join(in_the_way)}")
        await asyncio.sleep(LOOK_EVERY_S)


async def _connected(estate: Estate) -> None:
    deadline = asyncio.get_running_loop().time() + CONNECT_WITHIN_S
    while not estate.connected:
        if asyncio.get_running_loop().time() > deadline:
            raise NotPlayableError("the broker does not accept the simulated devices")
        await asyncio.sleep(0.05)


async def _watch(judge: Judge, player: Player, script: Script, running: asyncio.Task[None], allowance_s: float) -> None:
    """Look again and again until the scenario is over and nothing is awaited any more, or the allowance is used up."""
    failures = 0
    while not running.done():
        asked_s = player.elapsed_s
        try:
            await asyncio.to_thread(judge.fetch)
            failures = 0
        except HubError:
            failures += 1
            if failures >= FAILED_LOOKS:
                raise
        else:
            judge.judge(asked_s, player.elapsed_s)
        over_s = player.elapsed_s - script.ends_at_s
        if over_s > allowance_s or (over_s > 0 and not judge.waiting):
            return
        await asyncio.sleep(LOOK_EVERY_S)


def table(result: Result) -> str:
    """The judgement as lines of text; subjects with the same expectation and the same verdict share a line."""
    rows = [("kind", "subject", "expected", "between", "seen", "verdict")]
    groups: dict[tuple[str, str, str, str, str], list[Verdict]] = {}
    for verdict in result.verdicts:
        item = verdict.expectation
        between = f"{item.from_s:g}–{item.by_s:g} s"
        row = (item.kind, _expected(verdict), between, str(verdict.seen), verdict.outcome.value)
        groups.setdefault(row, []).append(verdict)
    for (kind, expected, between, seen, outcome), verdicts in groups.items():
        subjects = [subject for verdict in verdicts for subject in verdict.expectation.subjects]
        named = ", ".join(subjects) if len(subjects) <= MOST_NAMED else f"{subjects[0]} … ({len(subjects)})"
        rows.append((kind, named, expected, between, seen, outcome))
    rows.extend(
        (ticket["kind"], ticket["subject"]["id"], "nothing", "", ticket["state"], "unexpected")
        for ticket in result.unexpected
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _expected(verdict: Verdict) -> str:
    item = verdict.expectation
    count = str(item.count_min) if item.count_min == item.count_max else f"{item.count_min}–{item.count_max}"
    words = [count]
    if item.active is not None:
        words.append("active" if item.active else "not active")
    if item.states:
        words.append("/".join(item.states))
    if item.repeats_min:
        words.append(f"repeated ≥{item.repeats_min}")
    if item.hold:
        words.append("throughout")
    return " ".join(words)
