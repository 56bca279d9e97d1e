"""What the wiring makes of settings, where nothing but the running hub shows it."""

import pytest
from starlette.testclient import TestClient

from connectors.mqtt import MqttConnector
from hub.jobs import Jobs
from hub.launch import build, load_settings
from support.configuration import SITE_YAML, write_configuration

HUB = """\
database: sqlite:///hub.db
http: {{host: 127.0.0.1, port: 0{public_url}}}
mqtt: {{url: mqtt://127.0.0.1:1{more}}}
sites: [sites/*.yaml]
"""


@pytest.mark.parametrize(
    ("public_url", "over_tls"),
    [("", False), (", public_url: http://hub.example", False), (", public_url: https://hub.example", True)],
    ids=["none", "http", "https"],
)
def test_a_hub_behind_tls_says_so_to_browsers_and_its_cookies_never_leave_it(tmp_path, public_url, over_tls):
    site = SITE_YAML.split("devices:")[0].split("buses:")[0]
    hub = build(load_settings(write_configuration(tmp_path, HUB.format(public_url=public_url, more=""), lakeside=site)))
    try:
        app = hub.api._server.config.app
        assert app.state.services.cookie_secure is over_tls
        answer = TestClient(app, base_url="http://127.0.0.1").get("/healthz")
        assert ("strict-transport-security" in answer.headers) is over_tls
    finally:
        hub.stop()
        hub.api.stop()


def test_where_hubs_share_a_broker_a_hub_asks_for_its_own_sites_and_ends_what_it_asked_for_before(tmp_path):
    text = HUB.format(public_url="", more=", own_sites_only: true")
    hub = build(load_settings(write_configuration(tmp_path, text)))
    try:
        (mqtt,) = [part for part in hub.parts if isinstance(part, MqttConnector)]
        sessions = mqtt._sessions.values()
        wanted = {topic for session in sessions for topic in session._filters}
        unwanted = {topic for session in sessions for topic in session.unwanted}
        assert {"hub/v1/lakeside/+/alarm", "hub/v1/lakeside/#"} <= wanted
        assert {"hub/v1/+/+/alarm", "hub/v1/#"} <= unwanted
        assert not wanted & unwanted
    finally:
        hub.stop()
        hub.api.stop()


def test_the_running_hub_ends_problems_that_tell_of_something_past(tmp_path):
    hub = build(load_settings(write_configuration(tmp_path, HUB.format(public_url="", more=""))))
    try:
        (jobs,) = [part for part in hub.parts if isinstance(part, Jobs)]
        assert "look_at_the_past" in [look._look.__qualname__.split(".")[0] for look in jobs._looks if callable(look)]
    finally:
        hub.stop()
        hub.api.stop()
