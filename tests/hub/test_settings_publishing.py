"""`publishing:` of hub.yaml and of a site file: who is told, where the hub may go, and each mistake with its line."""

import shutil

import pytest

from connectors import platforms
from hub.settings import ConfigurationErrors, NotifierTypes, load
from hub.settings.urls import UrlError
from hub.settings.webhook_url import webhook_url
from support.configuration import HUB_YAML, PROFILES, RULES, SITE_YAML, write_configuration

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRON = {"CRM": SECRET, "OLD": "whsec_" + "QUJD" * 10, "SHORT": "whsec_QUJD"}
TYPES = NotifierTypes(platforms=platforms.types(), describe_platform=platforms.describe)
CITY = """\
publishing:
  platforms:
    - {id: city, type: city-96333, host: 96333.example, unit_code: U-17, app_key_env: SHORT, app_secret_env: CRM,
       elevators: {b1-e1: "31101108002016030001"}}
"""
HOOK = "{id: crm, url: 'https://crm.example/hook', secret_env: CRM}"


def read(tmp_path, part, hub_part=""):
    path = write_configuration(tmp_path, HUB_YAML + hub_part, lakeside=SITE_YAML + part)
    return load(path, ENVIRON, PROFILES, RULES, TYPES)


def mistakes(tmp_path, part, hub_part=""):
    with pytest.raises(ConfigurationErrors) as caught:
        read(tmp_path, part, hub_part)
    return caught.value.mistakes


def test_without_a_word_nobody_is_told_and_only_public_addresses_are_open(tmp_path):
    settings = read(tmp_path, "")
    assert settings.sites[0].publishing.webhooks == ()
    assert not settings.sites[0].publishing.mqtt_tickets
    assert (settings.publishing.private_networks, settings.publishing.ca) == ((), None)


def test_a_webhook_with_its_choice_and_two_secrets(tmp_path):
    part = (
        "publishing:\n  mqtt_tickets: true\n  webhooks:\n    - {id: crm, url: 'https://crm.example/hook', format: cap,\n"
        "       types: [ticket_opened], kinds: [entrapment], secret_env: CRM, previous_secret_env: OLD}\n"
    )
    publishing = read(tmp_path, part).sites[0].publishing
    (crm,) = publishing.webhooks
    assert publishing.mqtt_tickets
    assert (crm.id, crm.format, crm.types, crm.kinds) == ("crm", "cap", ("ticket_opened",), ("entrapment",))
    assert [secret.reveal() for secret in crm.secrets] == [ENVIRON["CRM"], ENVIRON["OLD"]]
    assert SECRET not in repr(publishing)


def test_networks_and_an_authority_of_ones_own_stand_in_hub_yaml(tmp_path, tls_files):
    shutil.copy(tls_files.ca, tmp_path / "own.pem")
    part = "publishing: {private_networks: [10.20.0.0/16, 'fd00::/8'], ca: own.pem}\n"
    publishing = read(tmp_path, "", part).publishing
    assert publishing.private_networks == ("10.20.0.0/16", "fd00::/8")
    assert publishing.ca == tmp_path / "own.pem"


@pytest.mark.parametrize(
    ("part", "field", "word"),
    [
        ("webhooks: [{url: 'https://a.example/', secret_env: CRM}]", "publishing.webhooks[0].id", "missing"),
        ("webhooks: [{id: crm, secret_env: CRM}]", "publishing.webhooks[0].url", "missing"),
        ("webhooks: [{id: crm, url: 'https://a.example/'}]", "publishing.webhooks[0].secret_env", "missing"),
        (
            "webhooks: [{id: crm, url: 'https://a.example/', secret: x}]",
            "publishing.webhooks[0].secret",
            "secret in the file",
        ),
        (
            "webhooks: [{id: crm, url: 'https://a.example/', secret_env: SHORT}]",
            "publishing.webhooks[0].secret_env",
            "bytes",
        ),
        ("webhooks: [{id: crm, url: 'ftp://a.example/', secret_env: CRM}]", "publishing.webhooks[0].url", "https"),
        ("webhooks: [{id: crm, url: 'https://u:p@a.example/', secret_env: CRM}]", "publishing.webhooks[0].url", "user"),
        (
            "webhooks: [{id: crm, url: 'https://a.example/', secret_env: CRM, types: [ticket_open]}]",
            "publishing.webhooks[0].types[0]",
            "did you mean 'ticket_opened'",
        ),
        (
            "webhooks: [{id: crm, url: 'https://a.example/', secret_env: CRM, kinds: [fire]}]",
            "publishing.webhooks[0].kinds[0]",
            "unknown",
        ),
        (
            "webhooks: [{id: crm, url: 'https://a.example/', secret_env: CRM, format: soap}]",
            "publishing.webhooks[0].format",
            "unknown",
        ),
        (f"webhooks: [{HOOK}, {HOOK}]", "publishing.webhooks[1].id", "twice"),
        (f"webhooks: [{HOOK.replace('id: crm', 'id: mqtt-tickets')}]", "publishing.webhooks[0].id", "own word"),
        ("private_networks: [10.0.0.0/8]", "publishing.private_networks", "unknown"),
    ],
)
def test_each_mistake_of_a_site_file_is_named(tmp_path, part, field, word):
    found = mistakes(tmp_path, f"publishing: {{{part}}}\n")
    assert [each.field for each in found] == [field]
    assert word in f"{found[0].problem} {found[0].allowed}"
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("part", "field", "word"),
    [
        ("private_networks: [10.20.0.1/16]", "publishing.private_networks", "host bits"),
        ("private_networks: [intranet]", "publishing.private_networks[0]", "not allowed"),
        ("ca: none.pem", "publishing.ca", "no file"),
        ("ca: hub.yaml", "publishing.ca", "no certificate"),
        ("webhooks: []", "publishing.webhooks", "unknown"),
    ],
)
def test_each_mistake_of_hub_yaml_is_named(tmp_path, part, field, word):
    found = mistakes(tmp_path, "", f"publishing: {{{part}}}\n")
    assert [each.field for each in found] == [field]
    assert word in found[0].problem


@pytest.mark.parametrize(
    "text", ["https://a.example", "https://a.example:8443/x?y=z", "http://10.0.0.1/x", "https://[2606:4700::1]/"]
)
def test_addresses_that_may_be_written(text):
    assert webhook_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example/x",
        "file:///etc/passwd",
        "https://",
        "https:// a.example/",
        "https://a.example/\r\nX: y",
        "https://token@a.example/",
        "https://a.example/#x",
        "https://a.example:0/",
        "https://a.example:70000/",
        "https://[::1/",
        "https://a.example/" + "x" * 500,
    ],
)
def test_addresses_that_may_not_are_refused_without_being_repeated(text):
    with pytest.raises(UrlError) as caught:
        webhook_url(text)
    assert "token" not in caught.value.problem


def test_a_city_platform_with_the_codes_of_its_elevators(tmp_path):
    (city,) = read(tmp_path, CITY).sites[0].publishing.platforms
    assert (city.id, city.type) == ("city", "city-96333")
    assert city.settings == {"host": "96333.example", "unit_code": "U-17"}
    assert city.elevators == {"b1-e1": "31101108002016030001"}
    assert city.secrets["app_secret"].reveal() == SECRET
    assert SECRET not in repr(city)


def test_a_description_of_ones_own_beside_the_site_file(tmp_path):
    write_configuration(tmp_path)
    text = (platforms.SHIPPED / "city-96333.yaml").read_text(encoding="utf-8").replace("unit_code", "firm_code")
    (tmp_path / "sites" / "own.yaml.txt").write_text(text, encoding="utf-8")
    part = CITY.replace("type: city-96333", "type: http, description: own.yaml.txt").replace("unit_code", "firm_code")
    (city,) = read(tmp_path, part).sites[0].publishing.platforms
    assert city.description == tmp_path / "sites" / "own.yaml.txt"
    assert city.settings["firm_code"] == "U-17"


@pytest.mark.parametrize(
    ("old", "new", "field", "word"),
    [
        ("type: city-96333", "type: city-96366", "type", "did you mean"),
        ("type: city-96333", "type: http", "description", "missing"),
        ("type: city-96333", "type: http, description: none.yaml", "description", "no file"),
        ("host: 96333.example, ", "", "host", "missing"),
        ("app_key_env: SHORT, ", "", "app_key_env", "missing"),
        ('elevators: {b1-e1: "31101108002016030001"}', "colour: red", "elevators", "missing"),
        ("b1-e1:", "b1-e9:", "elevators.b1-e9", "no elevator"),
        ("b1-e1:", "m-0101:", "elevators.m-0101", "no elevator"),
        ('b1-e1: "31101108002016030001"', "b1-e1: 31101108002016030001", "elevators.b1-e1", "number"),
        ('b1-e1: "1"', 'b1-e1: "1", b1-e2: "1"', "elevators.b1-e2", "twice"),
        ("id: city,", "id: mqtt-tickets,", "id", "own word"),
    ],
)
def test_each_mistake_of_a_platform_is_named(tmp_path, old, new, field, word):
    part = CITY.replace("31101108002016030001", "1") if '"1"' in old else CITY
    assert old in part
    found = mistakes(tmp_path, part.replace(old, new))
    assert f"publishing.platforms[0].{field}" in [each.field for each in found]
    assert any(word in f"{each.problem} {each.allowed}" for each in found)
