"""What the wiring makes of settings, where nothing but the running hub shows it."""

import pytest
from starlette.testclient import TestClient

from hub.launch import build, load_settings
from support.configuration import SITE_YAML, write_configuration

HUB = """\
database: sqlite:///hub.db
http: {{host: 127.0.0.1, port: 0{public_url}}}
mqtt: {{url: mqtt://127.0.0.1:1}}
sites: [sites/*.yaml]
"""


@pytest.mark.parametrize(
    ("public_url", "over_tls"),
    [("", False), (", public_url: http://hub.example", False), (", public_url: https://hub.example", True)],
    ids=["none", "http", "https"],
)
def test_a_hub_behind_tls_says_so_to_browsers_and_its_cookies_never_leave_it(tmp_path, public_url, over_tls):
    site = SITE_YAML.split("devices:")[0].split("buses:")[0]
    hub = build(load_settings(write_configuration(tmp_path, HUB.format(public_url=public_url), lakeside=site)))
    try:
        app = hub.api._server.config.app
        assert app.state.services.cookie_secure is over_tls
        answer = TestClient(app, base_url="http://127.0.0.1").get("/healthz")
        assert ("strict-transport-security" in answer.headers) is over_tls
    finally:
        hub.stop()
        hub.api.stop()
