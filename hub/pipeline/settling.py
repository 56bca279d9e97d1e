"""What came of notices, told to the rules: the order is closed and the rules hear of it in one transaction, so that they
hear of it once, whatever dies between. When nobody could be reached, that is a problem of its own (promise 8), and the
next role of the site's chain that has somebody is told in the same transaction; the empty ones before it stand in the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, select

from hub.notices import orders
from hub.notices.orders import SENDING, WAITING
from hub.notices.plan import Outcome
from hub.notices.settled import Settled
from hub.pipeline.step import Step
from hub.store.schema import notice_orders, problems
from hub.vocabulary.decisions import ClearProblem, RaiseProblem, Severity
from hub.vocabulary.events import NoticeSettled, Subject, SubjectType

NOBODY_REACHED: Final = "nobody_reached"
ROLE_UNREACHABLE: Final = "role_unreachable"

_CLOSE: Final = (
    notice_orders.update()
    .where(notice_orders.c.id == bindparam("_id"), notice_orders.c.state.in_([WAITING, SENDING]))
    .values(state=bindparam("_state"), settled_at=bindparam("_now"))
)
_TOLD: Final = select(problems.c.detail_json).where(
    problems.c.site == bindparam("_site"), problems.c.code == ROLE_UNREACHABLE, problems.c.active
)


def settle(step: Step, settled: Sequence[Settled]) -> int:
    """Close the orders that are still open; how many."""
    closed = 0
    for each in settled:
        step.go_on()
        closed += _settle_one(step, each)
    return closed


def _settle_one(step: Step, settled: Settled) -> bool:
    closed = {"_id": settled.order_id, "_state": str(settled.outcome), "_now": step.now}
    if step.connection.execute(_CLOSE, closed).rowcount == 0:
        return False  # withdrawn meanwhile, or told already
    if settled.reached_nobody:
        detail = {
            "audience": settled.audience,
            "template": settled.template,
            "outcome": str(settled.outcome),
            "why": settled.why,
        }
        step.raise_problem(
            RaiseProblem(code=NOBODY_REACHED, subject=settled.subject, severity=Severity.HIGH, detail=detail)
        )
    elif settled.outcome in {Outcome.DELIVERED, Outcome.SENT}:
        step.clear_problem(ClearProblem(code=NOBODY_REACHED, subject=settled.subject))
        _reachable_again(step, settled.subject.site, settled.audience)
    _happened(step, settled, settled.key, settled.outcome)
    if settled.then:
        _tell_the_next(step, settled)
    return True


def _happened(step: Step, settled: Settled, key: str, outcome: Outcome) -> None:
    subject = settled.subject
    step.happen(
        NoticeSettled(
            site=subject.site,
            device=subject.id if subject.type is SubjectType.DEVICE else "",
            source_key=f"notice-order/{settled.order_id}" + key.removeprefix(settled.key),
            occurred_at=step.now,
            received_at=step.now,
            rule=settled.rule,
            key=key,
            about=subject,
            outcome=str(outcome),
        )
    )


def _tell_the_next(step: Step, settled: Settled) -> None:
    *empty, told = settled.then
    if not orders.hand_on(step.connection, settled.order_id, settled.then, step.now):
        return
    for role in empty:
        _happened(step, settled, role.key, Outcome.NOBODY)
    passed = {settled.audience, *(role.audience for role in empty)}
    roles = sorted({*_unreachable(step, settled.subject.site), *passed})
    _say(step, settled.subject.site, roles, told=told.audience)


def _reachable_again(step: Step, site: str, audience: str) -> None:
    roles = _unreachable(step, site)
    if audience not in roles:
        return
    left = sorted(set(roles) - {audience})
    if left:
        _say(step, site, left, told=None)
    else:
        step.clear_problem(ClearProblem(code=ROLE_UNREACHABLE, subject=_of(site)))


def _say(step: Step, site: str, roles: Sequence[str], told: str | None) -> None:
    detail = {"roles": ", ".join(roles), "told": told}
    step.raise_problem(RaiseProblem(code=ROLE_UNREACHABLE, subject=_of(site), severity=Severity.HIGH, detail=detail))


def _unreachable(step: Step, site: str) -> list[str]:
    """Roles of which nobody could be reached when it was last tried."""
    found: str | None = step.connection.execute(_TOLD, {"_site": site}).scalar_one_or_none()
    detail: dict[str, Any] = {} if found is None else msgspec.json.decode(found)
    return [role for role in str(detail.get("roles", "")).split(", ") if role]


def _of(site: str) -> Subject:
    return Subject(site, SubjectType.SITE, site)
