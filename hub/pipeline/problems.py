"""Problems: what the hub itself finds wrong with its inputs, at most one active per (site, code, subject)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from hub.store.schema import problems
from hub.vocabulary.decisions import ClearProblem, RaiseProblem
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs

# Built once: what floods the hub raises problems by the hundred.
_ACTIVE = (
    problems.c.site == bindparam("_site"),
    problems.c.code == bindparam("_code"),
    problems.c.subject_type == bindparam("_subject_type"),
    problems.c.subject_id == bindparam("_subject_id"),
    problems.c.active,
)
_FIND = select(problems.c.severity, problems.c["count"]).where(*_ACTIVE)
_BUMP = (
    problems.update()
    .where(*_ACTIVE)
    .values(count=problems.c.count + 1, last_at=bindparam("_now"), detail_json=bindparam("_detail"))
    .returning(problems.c.count)
)
_CLEAR = problems.update().where(*_ACTIVE).values(active=False, cleared_at=bindparam("_now"), last_at=bindparam("_now"))
_INSERT = problems.insert()


class ProblemChange(msgspec.Struct, frozen=True, kw_only=True):
    """For the feed."""

    code: str
    subject: Subject
    severity: str
    active: bool
    count: int
    detail: Mapping[str, Any]


def _about(code: str, subject: Subject) -> dict[str, Any]:
    return {
        "_site": subject.site,
        "_code": code,
        "_subject_type": str(subject.type),
        "_subject_id": subject.id,
    }


def raise_problem(connection: Connection, raised: RaiseProblem, now: UtcMs) -> ProblemChange:
    """Open the problem, or count on the one that is active."""
    detail = msgspec.json.encode(raised.detail).decode()
    about = _about(raised.code, raised.subject) | {"_now": now, "_detail": detail}
    count = connection.execute(_BUMP, about).scalar_one_or_none()
    if count is None:
        count = 1
        new = {
            "site": raised.subject.site,
            "code": raised.code,
            "subject_type": str(raised.subject.type),
            "subject_id": raised.subject.id,
            "severity": str(raised.severity),
            "active": True,
            "since": now,
            "last_at": now,
            "count": 1,
            "detail_json": detail,
        }
        connection.execute(_INSERT, new)
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
    about = _about(cleared.code, cleared.subject)
    row = connection.execute(_FIND, about).one_or_none()
    if row is None:
        return None
    connection.execute(_CLEAR, about | {"_now": now})
    return ProblemChange(
        code=cleared.code, subject=cleared.subject, severity=row[0], active=False, count=row[1], detail={}
    )


def active(connection: Connection) -> list[tuple[str, Subject]]:
    """Code and subject of every problem that is active."""
    columns = problems.c.code, problems.c.site, problems.c.subject_type, problems.c.subject_id
    rows = connection.execute(select(*columns).where(problems.c.active))
    return [(row.code, Subject(row.site, SubjectType(row.subject_type), row.subject_id)) for row in rows]
