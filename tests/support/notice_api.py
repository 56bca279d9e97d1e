"""People and households through the API, for tests."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient


def person(client: TestClient, code: str = "p1", site: str = "lakeside", **other: Any) -> int:
    """A person with one agreed SMS number."""
    body = {
        "site": site,
        "code": code,
        "name": "王芳芳",
        "channels": [{"channel": "sms", "address": "13800000001", "consent": True}],
    }
    answer = client.post("/api/v1/people", json=body | other)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def household(client: TestClient, person_id: int, unit: str = "b1/0101", site: str = "lakeside") -> int:
    """The person moves in."""
    body = {"site": site, "unit": unit, "members": [{"person": person_id}]}
    answer = client.post("/api/v1/units/move-in", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])
