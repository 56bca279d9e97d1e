"""What came of notices, told to the rules: the order is closed and the rules hear of it in one transaction, so that they
hear of it once, whatever dies between. When nobody could be reached, that is a problem of its own (promise 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.notices.orders import SENDING, WAITING
from hub.notices.plan import Outcome
from hub.notices.settled import Settled
from hub.pipeline.step import Step
from hub.store.schema import notice_orders
from hub.vocabulary.decisions import ClearProblem, RaiseProblem, Severity
from hub.vocabulary.events import NoticeSettled, SubjectType

NOBODY_REACHED: Final = "nobody_reached"


def settle(step: Step, settled: Sequence[Settled]) -> int:
    """Close the orders that are still open; how many."""
    return sum(_settle_one(step, each) for each in settled)


def _settle_one(step: Step, settled: Settled) -> bool:
    still_open = notice_orders.update().where(
        notice_orders.c.id == settled.order_id, notice_orders.c.state.in_([WAITING, SENDING])
    )
    values = {"state": str(settled.outcome), "settled_at": step.now}
    if step.connection.execute(still_open.values(values)).rowcount == 0:
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
    subject = settled.subject
    step.happen(
        NoticeSettled(
            site=subject.site,
            device=subject.id if subject.type is SubjectType.DEVICE else "",
            source_key=f"notice-order/{settled.order_id}",
            occurred_at=step.now,
            received_at=step.now,
            rule=settled.rule,
            key=settled.key,
            about=subject,
            outcome=str(settled.outcome),
        )
    )
    return True
