"""From site files to senders: `hub check --connect` names each notifier and sends nothing."""

import pytest

from connectors import notify
from hub.notices.assembly import check_notifiers, make_post
from hub.settings import NotifierTypes, load
from support.configuration import HUB_YAML, PROFILES, RULES, SITE_YAML, write_configuration

# Apprise's own import on Python 3.11.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

PART = """\
notifiers:
  - {id: wecom, type: apprise, url_env: WECOM}
  - {id: ding, type: apprise, url_env: DING}
  - id: sms
    type: aliyun-sms
    sign_name: 湖畔花园
    access_key_id_env: KEY
    access_key_secret_env: SECRET
    templates: {low_balance_1: SMS_1}
"""
ENVIRON = {"WECOM": "wecombot://BOTKEY123", "DING": "dingtalk://", "KEY": "key-id", "SECRET": "s3cr3t"}


@pytest.fixture
def settings(tmp_path):
    path = write_configuration(tmp_path, HUB_YAML, lakeside=SITE_YAML + PART)
    return load(path, ENVIRON, PROFILES, RULES, NotifierTypes(notify.types(), notify.describe, notify.complaint))


def test_every_notifier_is_looked_at_nothing_is_sent_and_no_secret_is_shown(settings, far_side):
    found = list(check_notifiers(settings, notify.make_sender))
    assert [(ok, target) for ok, target, _ in found] == [
        (True, "lakeside/wecom"),
        (False, "lakeside/ding"),
        (True, "lakeside/sms"),
    ]
    said = " ".join(text for _, _, text in found)
    assert "WeCom" in said
    assert "dysmsapi.aliyuncs.com" in said
    assert not any(secret in said for secret in ("BOTKEY123", "key-id", "s3cr3t"))
    assert far_side.raw == []


def test_a_post_knows_its_sites_channels_policies_and_receipts(settings, store):
    post = make_post(settings, notify.make_sender, store, lambda over: None, lambda: 0)
    site = post._sites["lakeside"]
    assert site.notifiers == {"wecom", "ding", "sms", "housekeeper_list"}, (
        "the hub's own list is a way for whoever chose it"
    )
    assert site.receipts == {"sms"}
    assert site.forecast is not None
    assert site.forecast(None, "m-0101") is None, "nobody has told it how"
    assert site.buildings["b1"] == "1栋"
    assert str(site.zone) == "Asia/Shanghai"
