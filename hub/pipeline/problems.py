"""Problems: what the hub itself finds wrong with its inputs, at most one active per (site, code, subject)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from hub.store.schema import problems
from hub.vocabulary.decisions import ClearProblem, RaiseProblem
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs


class ProblemChange(msgspec.Struct, frozen=True, kw_only=True):
    """For the feed."""

    code: str
    subject: Subject
    severity: str
    active: bool
    count: int
    detail: Mapping[str, Any]


def _is_active(code: str, subject: Subject) -> tuple[Any, ...]:
    return (
        problems.c.site == subject.site,
        problems.c.code == code,
        problems.c.subject_type == str(subject.type),
        problems.c.subject_id == subject.id,
        problems.c.active,
    )


def raise_problem(connection: Connection, raised: RaiseProblem, now: UtcMs) -> ProblemChange:
    """Open the problem, or count on the one that is active."""
    where = _is_active(raised.code, raised.subject)
    detail = msgspec.json.encode(raised.detail).decode()
    bump = problems.update().where(*where).values(count=problems.c.count + 1, last_at=now, detail_json=detail)
    count = connection.execute(bump.returning(problems.c.count)).scalar_one_or_none()
    if count is None:
        count = 1
        connection.execute(
            problems.insert().values(
                site=raised.subject.site,
                code=raised.code,
                subject_type=str(raised.subject.type),
                subject_id=raised.subject.id,
                severity=str(raised.severity),
                active=True,
                since=now,
                last_at=now,
                count=1,
                detail_json=detail,
            )
        )
    return ProblemChange(
        code=raised.code,
        subject=raised.subject,
        severity=str(raised.severity),
        active=True,
        count=count,
        detail=raised.detail,
    )


def clear_problem(connection: Connection, cleared: ClearProblem, now: UtcMs) -> ProblemChange | None:
    """Close the active problem; None where there is none."""
    where = _is_active(cleared.code, cleared.subject)
    row = connection.execute(select(problems.c.severity, problems.c["count"]).where(*where)).one_or_none()
    if row is None:
        return None
    connection.execute(problems.update().where(*where).values(active=False, cleared_at=now, last_at=now))
    return ProblemChange(
        code=cleared.code, subject=cleared.subject, severity=row[0], active=False, count=row[1], detail={}
    )


def active(connection: Connection) -> list[tuple[str, Subject]]:
    """Code and subject of every problem that is active."""
    columns = problems.c.code, problems.c.site, problems.c.subject_type, problems.c.subject_id
    rows = connection.execute(select(*columns).where(problems.c.active))
    return [(row.code, Subject(row.site, SubjectType(row.subject_type), row.subject_id)) for row in rows]
