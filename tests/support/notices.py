"""Notices on a real database with a clock that the test moves: orders as rules give them, a pipeline, a post, and people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connectors.notify.description import Description, Success
from connectors.notify.gateway import Gateway
from hub.notices import orders
from hub.notices.letters import SiteNotices
from hub.notices.post import Post
from hub.pipeline.settling import settle
from hub.settings.model import NoticePolicy
from hub.store.database import Store
from hub.store.schema import (
    household_members,
    households,
    notice_attempts,
    notice_orders,
    notices,
    people,
    person_channels,
    problems,
)
from hub.vocabulary.decisions import Audience, Notify, Urgency, WithdrawNotices
from hub.vocabulary.events import Event, NoticeSettled, Subject, SubjectType
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import UtcMs, parse_iso
from hub.vocabulary.ports import NoticeSender
from hub.vocabulary.rule import Outcome
from support.far_side import FarSide
from support.rig import SITE, Rig, device
from support.waiting import wait_until

RULE = "low_balance"
NOON: UtcMs = parse_iso("2026-06-01T12:00:00+08:00")
PARAMS = {"place": "1栋0101", "credit": "25.00", "unit": "元", "threshold": "30", "level": 1}


class Gone(StrEnum):
    PAID = "paid"


class _State(msgspec.Struct, frozen=True):
    heard: int = 0


class Listener:
    """A rule that writes down what it hears of its notices."""

    name = RULE
    version = 1
    wants: tuple[type[Event], ...] = (NoticeSettled,)
    state_type: type[msgspec.Struct] = _State
    limits_type: type[msgspec.Struct] = _State

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        return event.subject()

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        return None

    def decide(self, event: Event, state: Any, facts: Facts, now: UtcMs) -> Outcome:
        assert isinstance(event, NoticeSettled)
        self.heard.append((event.key, event.outcome))
        return Outcome(_State(state.heard + 1))


def gateway(far_side: FarSide, channel: str, timeout_s: float = 10, *, receipts: bool = False) -> Gateway:
    """A sender to the far side, with a JSON body."""
    description = Description(
        name=channel,
        source="tests",
        url=far_side.url(channel),
        json={"to": "{address}", "title": "{title}", "text": "{body}", "key": "{key}"},
        success=Success(path="code", equals="OK"),
        message_id="id",
        retry=("BUSY",),
        receipts=receipts,
        address=".+",
    )
    return Gateway(description, {}, {}, timeout_s)


class NoticeRig:
    """One site with two units (b1/0101, b1/0102) and a meter in each, and the channels `sms` and `chat`."""

    def __init__(
        self,
        store: Store,
        senders: Mapping[str, NoticeSender],
        policy: NoticePolicy | None = None,
        zone: str = "Asia/Shanghai",
        now: UtcMs = NOON,
    ) -> None:
        self.listener = Listener()
        meters = [
            device("m-0101", DeviceKind.METER, place="b1/0101"),
            device("m-0102", DeviceKind.METER, place="b1/0102"),
            device("m-public", DeviceKind.METER, place="b1"),
        ]
        self.rig = Rig(store, [self.listener], meters, now=now)
        self.store = store
        self.senders = dict(senders)
        site = SiteNotices(
            policy=policy or NoticePolicy(merge_window_s=0),
            zone=ZoneInfo(zone),
            notifiers=frozenset(senders),
            receipts=frozenset(name for name, sender in senders.items() if sender.receipts),
        )
        self.sites = {SITE: site}
        self.post = self.new_post()

    def new_post(self) -> Post:
        """As after a start of the process."""
        senders = {(SITE, name): sender for name, sender in self.senders.items()}
        return Post(self.store, self.sites, senders, self._settle, lambda: self.now)

    def patience(self, channel: str, far_side: FarSide, timeout_s: float) -> None:
        """How long this sender waits for an answer from now on."""
        self.senders[channel] = gateway(far_side, channel, timeout_s)
        self.post = self.new_post()

    def _settle(self, over: Any) -> Any:
        answer = self.rig.inbox.ask(lambda step: settle(step, over))
        self.rig.engine.step(self.rig.inbox.take(10))
        return answer

    @property
    def now(self) -> UtcMs:
        return self.rig.now

    @now.setter
    def now(self, at: UtcMs) -> None:
        self.rig.now = at

    # --- people ------------------------------------------------------------------------------------------

    def person(self, name: str, *channels: str, role: str | None = None, zone: str = "", consent: bool = True) -> int:
        """`channels` such as `sms:13800000001`, best first."""
        with self.store.write() as connection:
            key = connection.execute(
                people.insert().values(
                    site=SITE, code=name, name=name, locale="zh-CN", role=role, zone=zone, created_at=self.now
                )
            ).inserted_primary_key
            assert key is not None
            for rank, each in enumerate(channels, 1):
                channel, _, address = each.partition(":")
                connection.execute(
                    person_channels.insert().values(
                        person_id=key[0],
                        channel=channel,
                        address=address,
                        rank=rank,
                        consent_at=self.now if consent else None,
                    )
                )
        return int(key[0])

    def household(self, unit: str, *members: int, notified: bool = True) -> int:
        """These people live there now."""
        with self.store.write() as connection:
            key = connection.execute(
                households.insert().values(site=SITE, unit=unit, since=self.now)
            ).inserted_primary_key
            assert key is not None
            for member in members:
                connection.execute(
                    household_members.insert().values(
                        household_id=key[0], person_id=member, role="owner", notified=notified
                    )
                )
        return int(key[0])

    def move_out(self, household: int) -> None:
        with self.store.write() as connection:
            connection.execute(households.update().where(households.c.id == household).values(until=self.now))

    # --- orders ------------------------------------------------------------------------------------------

    def order(self, key: str = "1", meter: str = "m-0101", **other: Any) -> bool:
        """As a rule's decision; whether it was new."""
        values: dict[str, Any] = {
            "key": key,
            "subject": Subject(SITE, SubjectType.DEVICE, meter),
            "audience": Audience.HOUSEHOLD,
            "template": "low_balance_1",
            "params": PARAMS,
            "urgency": Urgency.URGENT,
        }
        with self.store.write() as connection:
            return orders.order(connection, Notify(**(values | other)), RULE, self.now)

    def withdraw(self, prefix: str = "", meter: str = "m-0101") -> None:
        subject = Subject(SITE, SubjectType.DEVICE, meter)
        with self.store.write() as connection:
            orders.withdraw(
                connection, WithdrawNotices(key_prefix=prefix, subject=subject, reason=Gone.PAID), RULE, self.now
            )

    # --- time --------------------------------------------------------------------------------------------

    def run(self, rounds: int = 50) -> None:
        """Let the post work until nothing is left to be done at this moment."""
        for _ in range(rounds):
            more = self.post.cycle()
            wait_until(lambda: len(self.post._results) == len(self.post._sending), 20, "a sender did not answer")
            if not more and not self.post._sending and not self.post.cycle():
                return
        raise AssertionError("the post never comes to rest")

    def pass_time(self, ms: int) -> None:
        """Time goes on, and the post works."""
        self.now += ms
        self.run()

    # --- what stands in the database ---------------------------------------------------------------------

    def rows(self, table: Any = notices) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(table.select().order_by(*table.primary_key.columns)))

    def states(self) -> list[tuple[str, str]]:
        return [(row.channel, row.state) for row in self.rows()]

    def order_states(self) -> list[str]:
        return [row.state for row in self.rows(notice_orders)]

    def attempts(self) -> list[tuple[bool, bool]]:
        return [(row.ok, row.retry) for row in self.rows(notice_attempts)]

    def open_problems(self) -> list[str]:
        return [row.code for row in self.rows(problems) if row.active]


Make = Callable[..., NoticeRig]
