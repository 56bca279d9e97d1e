"""Links, hooks, chains and the dead man in the configuration: each mistake with file, line, field and what is allowed."""

import pytest

from hub.settings import ConfigurationErrors
from hub.settings.duty import DEFAULT
from support.configuration import HUB_YAML, SITE_YAML, load_configuration, write_configuration

ENVIRON = {"VOICE": "voice-secret", "PING": "https://ping.example/uuid"}


def loaded(tmp_path, hub="", site="", environ=ENVIRON):
    return load_configuration(write_configuration(tmp_path, HUB_YAML + hub, lakeside=SITE_YAML + site), environ)


def mistakes(tmp_path, hub="", site=""):
    with pytest.raises(ConfigurationErrors) as refused:
        loaded(tmp_path, hub, site)
    return [(each.field, each.problem, each.allowed) for each in refused.value.mistakes]


HOOK = "hooks: [{id: voice, secret_env: VOICE, ticket: data.ticket, person: data.callee, answer: digit%s}]\n"


def test_nothing_of_this_has_to_be_named(tmp_path):
    settings = loaded(tmp_path)
    assert (settings.http.public_url, settings.hooks, settings.dead_man) == ("", (), None)
    assert settings.sites[0].escalation == DEFAULT


def test_what_is_named_is_read(tmp_path):
    hub = HOOK % ', answers: {"1": acknowledge, "2": firm_answered}' + "dead_man: {url_env: PING, every_s: 120}\n"
    settings = loaded(
        tmp_path,
        hub,
        "escalation: {technician: manager, security: false}\n",
        ENVIRON | {"HUB_HTTP__PUBLIC_URL": "https://h.example/hub/"},
    )
    (hook,) = settings.hooks
    assert (hook.id, hook.auth, hook.ticket, hook.secret.reveal()) == ("voice", "token", "data.ticket", "voice-secret")
    assert hook.answers == {"1": "acknowledge", "2": "firm_answered"}
    assert (settings.dead_man.url.reveal(), settings.dead_man.every_s) == ("https://ping.example/uuid", 120)
    assert settings.http.public_url == "https://h.example/hub"
    chain = settings.sites[0].escalation
    assert chain["technician"] == "manager"
    assert "security" not in chain
    assert chain["duty_supervisor"] == "department_manager"


def test_a_site_may_have_no_chain_at_all(tmp_path):
    assert loaded(tmp_path, site="escalation: false\n").sites[0].escalation == {}


@pytest.mark.parametrize(
    ("hub", "site", "field", "words"),
    [
        (HOOK.replace("secret_env: VOICE, ", "") % "", "", "hooks[0].secret_env", "missing"),
        (HOOK % ", auth: hmac-sha256", "", "hooks[0].header", "missing"),
        (HOOK % ", header: X-S", "", "hooks[0].header", "hmac"),
        (HOOK % ", answers: {x: close}", "", "hooks[0].answers.x", "unknown"),
        (HOOK.replace("data.ticket", "a..b") % "", "", "hooks[0].ticket", "not allowed"),
        ("dead_man: {every_s: 120}\n", "", "dead_man.url_env", "missing"),
        ("dead_man: {url: 'ftp://x'}\n", "", "dead_man.url", "not allowed"),
        ("dead_man: {url_env: PING, every_s: 5}\n", "", "dead_man.every_s", "out of range"),
        ("", "escalation: {technican: manager}\n", "escalation.technican", "did you mean 'technician'"),
        ("", "escalation: {technician: technician}\n", "escalation.technician", "itself"),
        ("", "escalation: {technician: household}\n", "escalation.technician", "unknown"),
    ],
)
def test_each_mistake_is_named(tmp_path, hub, site, field, words):
    found = mistakes(tmp_path, hub, site)
    assert [each for each in found if each[0] == field and words in each[1] + each[2]], found


def test_a_secret_is_in_no_text_of_the_settings(tmp_path):
    hub = HOOK % "" + "dead_man: {url_env: PING}\n"
    assert "voice-secret" not in repr(loaded(tmp_path, hub))
    assert "ping.example" not in repr(loaded(tmp_path, hub))
