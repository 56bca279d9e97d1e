"""`notifiers:` and `notices:` of a site file: ways out, secrets that stay out of the file, and each mistake with its line."""

import pytest

from connectors import notify
from hub.settings import ConfigurationErrors, NotifierTypes, QuietHours, load
from support.configuration import HUB_YAML, PROFILES, RULES, SITE_YAML, write_configuration

TYPES = NotifierTypes(notify.types(), notify.describe, notify.complaint)
ENVIRON = {"WECOM_URL": "wecombot://BOTKEY", "KEY_ID": "id", "KEY_SECRET": "s3cr3t", "WRONG": "wecom://token"}
SMS = """\
notifiers:
  - id: sms
    type: aliyun-sms
    sign_name: 湖畔花园
    access_key_id_env: KEY_ID
    access_key_secret_env: KEY_SECRET
    templates: {low_balance_1: SMS_1, low_balance_2: {code: SMS_2, params: [place, credit]}}
"""


def read(tmp_path, part, environ=ENVIRON):
    path = write_configuration(tmp_path, HUB_YAML, lakeside=SITE_YAML + part)
    (site,) = load(path, environ, PROFILES, RULES, TYPES).sites
    return site


def mistakes(tmp_path, part):
    with pytest.raises(ConfigurationErrors) as caught:
        read(tmp_path, part)
    return caught.value.mistakes


def test_a_gateway_with_its_secrets_and_registered_texts(tmp_path):
    (sms,) = read(tmp_path, SMS).notifiers
    assert (sms.id, sms.type, sms.settings) == ("sms", "aliyun-sms", {"sign_name": "湖畔花园"})
    assert sms.secrets["access_key_secret"].reveal() == "s3cr3t"
    assert "s3cr3t" not in repr(sms)
    assert [(name, text.code, text.params) for name, text in sms.texts.items()] == [
        ("low_balance_1", "SMS_1", ()),
        ("low_balance_2", "SMS_2", ("place", "credit")),
    ]


def test_an_apprise_address_comes_from_a_variable_or_a_file(tmp_path):
    write_configuration(tmp_path)
    (tmp_path / "sites" / "mail.url").write_text("mailtos://u:p@example.com?to={address}\n", encoding="utf-8")
    part = (
        "notifiers: [{id: wecom, type: apprise, url_env: WECOM_URL}, {id: mail, type: apprise, url_file: mail.url}]\n"
    )
    wecom, mail = read(tmp_path, part).notifiers
    assert wecom.secrets["url"].reveal() == "wecombot://BOTKEY"
    assert mail.secrets["url"].reveal() == "mailtos://u:p@example.com?to={address}"


def test_an_own_gateway_says_itself_what_it_needs(tmp_path):
    write_configuration(tmp_path)
    text = "name: own\nsource: us\nurl: https://sms.example/\nsettings: [sender]\nsecrets: [token]\n"
    (tmp_path / "sites" / "own.yaml.txt").write_text(text, encoding="utf-8")
    part = "notifiers: [{id: sms, type: http, description: own.yaml.txt, sender: 物业, token_env: KEY_ID}]\n"
    (own,) = read(tmp_path, part).notifiers
    assert (own.settings, own.description) == ({"sender": "物业"}, tmp_path / "sites" / "own.yaml.txt")
    found = mistakes(tmp_path, part.replace("sender: 物业, ", ""))
    assert [(m.field, m.problem) for m in found] == [("notifiers[0].sender", "is missing")]


def test_without_a_word_it_is_quiet_at_night_and_speaks_the_sites_language(tmp_path):
    policy = read(tmp_path, "").notices
    assert policy.quiet == QuietHours(start=21 * 60, end=8 * 60)
    assert (policy.per_hour, policy.per_day, policy.locale) == (5, 20, "zh-CN")


def test_the_site_decides_when_and_how_often(tmp_path):
    part = (
        'notices: {quiet_hours: {from: "22:30", to: "07:00"}, per_hour: 2, per_day: 4, merge_window_s: 0, locale: en}\n'
    )
    policy = read(tmp_path, part).notices
    assert policy.quiet == QuietHours(start=22 * 60 + 30, end=7 * 60)
    assert (policy.per_hour, policy.per_day, policy.merge_window_s, policy.locale) == (2, 4, 0, "en")
    assert read(tmp_path, "notices: {quiet_hours: false}\n").notices.quiet == QuietHours(start=0, end=0)


@pytest.mark.parametrize(
    ("part", "field", "word"),
    [
        ("notifiers: [{type: apprise, url_env: WECOM_URL}]", "notifiers[0].id", "missing"),
        ("notifiers: [{id: a, url_env: WECOM_URL}]", "notifiers[0].type", "missing"),
        ("notifiers: [{id: a, type: appris, url_env: WECOM_URL}]", "notifiers[0].type", "did you mean 'apprise'"),
        ("notifiers: [{id: a, type: apprise}]", "notifiers[0].url_env", "missing"),
        ("notifiers: [{id: a, type: apprise, url_env: NOT_SET}]", "notifiers[0].url_env", "not set"),
        ("notifiers: [{id: a, type: apprise, url_env: A, url_file: b}]", "notifiers[0].url_env", "beside"),
        ("notifiers: [{id: a, type: apprise, url_file: none.txt}]", "notifiers[0].url_file", "cannot be read"),
        ('notifiers: [{id: a, type: apprise, url: "wecombot://KEY"}]', "notifiers[0].url", "secret in the file"),
        ("notifiers: [{id: a, type: apprise, url_env: WRONG}]", "notifiers[0].url_env", "PushPlus"),
        ("notifiers: [{id: housekeeper_list, type: apprise, url_env: WECOM_URL}]", "notifiers[0].id", "own channel"),
        (
            "notifiers: [{id: a, type: apprise, url_env: WECOM_URL}, {id: a, type: apprise, url_env: WECOM_URL}]",
            "notifiers[1].id",
            "twice",
        ),
        ("notifiers: [{id: a, type: apprise, url_env: WECOM_URL, colour: red}]", "notifiers[0].colour", "unknown"),
        ("notifiers: [{id: a, type: http}]", "notifiers[0].description", "missing"),
        ("notifiers: [{id: a, type: http, description: none.yaml}]", "notifiers[0].description", "no file"),
        ("notifiers: [{id: a, type: apprise, url_env: WECOM_URL, description: x}]", "notifiers[0].description", "own"),
        ("notifiers: {a: b}", "notifiers", "mapping"),
        ('notices: {quiet_hours: {from: "25:00", to: "08:00"}}', "notices.quiet_hours.from", "not allowed"),
        ("notices: {quiet_hours: {from: 21:00, to: 08:00}}", "notices.quiet_hours.from", ""),
        ("notices: {per_hour: 0}", "notices.per_hour", "range"),
        ("notices: {per_hour: 30, per_day: 20}", "notices.per_day", "less"),
        ("notices: {locale: fr}", "notices.locale", "unknown"),
        ("notices: {loudness: 3}", "notices.loudness", "unknown"),
    ],
)
def test_a_mistake_is_named_with_its_field_and_line(tmp_path, part, field, word):
    found = [m for m in mistakes(tmp_path, part + "\n") if m.field == field]
    assert found
    assert word in found[0].problem
    assert found[0].line > 0
    assert "wecombot://KEY" not in str(found[0]) or field == "notifiers[0].url"


def test_no_mistake_repeats_a_secret(tmp_path):
    part = "notifiers: [{id: a, type: apprise, url_env: WRONG}]\n"
    assert "token" not in "".join(map(str, mistakes(tmp_path, part)))
