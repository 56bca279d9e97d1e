"""`play` end to end: real Modbus devices, a stand-in hub that answers the ticket API, and the verdict."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from simulators.estate import Estate
from simulators.hub_api import HubApi, HubError
from simulators.play import NotPlayableError, play, table
from simulators.scenario import parse, resolve
from simulators.site import parse_site

SCENARIO = """
name: gateway
title: A gateway loses its power
title_zh: 网关断电
cast:
  gateway: {bus_with: {at_least: 1}}
  meters: {kind: meter, all: true}
settle_s: 0.5
timeline:
  - {at_s: 2, who: gateway, do: gateway_off}
expect:
  - {kind: device_silent, subject: gateway, count: 1, active: true, from_s: 2, by_s: 8}
  - {kind: device_silent, subject: meters, count: 0, by_s: 10}
ends_at_s: 10
"""


class StandInHub:
    """Answers GET /api/v1/tickets in pages of one; `raise_ticket` puts a ticket in."""

    def __init__(self):
        self.tickets, self.requests, self.status = [], [], 200
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                hub.requests.append((url.path, self.headers.get("Authorization")))
                found = [ticket for ticket in hub.tickets if ticket["subject"]["id"] == query["subject"]]
                start = int(query.get("cursor", 0))
                body = {"items": found[start : start + 1], "next": str(start + 1) if start + 1 < len(found) else None}
                self.send_response(hub.status)
                self.end_headers()
                self.wfile.write(json.dumps(body if hub.status == 200 else {"title": "no"}).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def raise_ticket(self, subject, kind="device_silent", active=True):
        self.tickets.append(
            {
                "id": f"t{len(self.tickets)}",
                "number": f"N-{len(self.tickets)}",
                "kind": kind,
                "subject": {"id": subject},
                "state": "open" if active else "closed",
                "active": active,
                "count": 1,
                "opened_at": datetime.now(UTC).isoformat(),
            }
        )


@pytest.fixture
def hub():
    hub = StandInHub()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


@pytest.fixture
def site(free_port):
    return parse_site(
        {
            "site": {"id": "s1"},
            "buses": [{"id": "bus", "url": f"modbus+tcp://127.0.0.1:{free_port()}"}],
            "devices": [
                {"id": f"m{unit}", "kind": "meter", "profile": "acrel-adf400l-1p", "bus": "bus", "unit_id": unit}
                for unit in (1, 2)
            ],
        }
    )


class WatchedEstate(Estate):
    """An estate whose gateway trouble the stand-in hub notices."""

    def __init__(self, site, hub, notices):
        super().__init__([site], None, speed=10, traffic=False)
        self._hub, self._notices = hub, notices

    async def play(self, step):
        await super().play(step)
        for subject in self._notices:
            self._hub.raise_ticket(subject)


def run(site, hub, notices, token="secret"):
    script = resolve(parse(SCENARIO), [site])
    return asyncio.run(play(script, WatchedEstate(site, hub, notices), HubApi(hub.url, token), slack_s=0.3))


def test_the_right_ticket_and_no_other_passes(site, hub):
    result = run(site, hub, ["bus"])
    assert result.passed
    assert [verdict.outcome.value for verdict in result.verdicts] == ["passed", "passed", "passed"]
    assert ("/api/v1/tickets", "Bearer secret") in hub.requests


def test_a_missing_ticket_fails(site, hub):
    result = run(site, hub, [])
    assert not result.passed
    assert [verdict.outcome.value for verdict in result.verdicts] == ["failed", "passed", "passed"]


def test_a_ticket_that_must_not_be_there_fails_and_is_named(site, hub):
    result = run(site, hub, ["bus", "m2"])
    assert not result.passed
    assert [ticket["subject"]["id"] for ticket in result.unexpected] == ["m2"]
    assert any("m2" in line and "unexpected" in line for line in table(result).splitlines())


def test_a_hub_with_a_past_can_be_judged(site, hub):
    """Old tickets, closed, of any kind: only what is new counts."""
    for subject in ("bus", "bus", "m1"):
        hub.raise_ticket(subject, active=False)
    assert run(site, hub, ["bus"]).passed


def test_an_active_ticket_in_the_way_is_named(site, hub, monkeypatch):
    monkeypatch.setattr("simulators.play.READY_WITHIN_S", 0.2)
    hub.raise_ticket("bus")
    with pytest.raises(NotPlayableError, match=r"N-0 \(device_silent, bus\)"):
        run(site, hub, ["bus"])


def test_a_hub_that_refuses_is_an_error_and_no_verdict(site, hub):
    hub.status = 401
    with pytest.raises(HubError, match="401"):
        run(site, hub, ["bus"])


def test_a_hub_that_is_not_there_is_an_error(site):
    with pytest.raises(HubError):
        HubApi("http://127.0.0.1:9", None).tickets([("lakeside", "bus")])
    with pytest.raises(HubError, match="expected http"):
        HubApi("file:///etc/passwd", None)
