"""Apprise: which addresses are allowed, what a person's part may do, and what its yes and no mean."""

import apprise
import pytest

from connectors.notify import complaint
from connectors.notify.chat import SCHEMES, ChatSender
from hub.vocabulary.ports import GiveUp, OutgoingNotice, Retry, Sent
from support.far_side import DROP, HANG, far_side

__all__ = ["far_side"]

# Apprise's own import on Python 3.11.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NOTICE = OutgoingNotice(key="hub-1-a", address="王 芳/../x?y=1", title="购电提醒", body="1栋0101 余额 25.00 元")


def test_every_scheme_that_we_name_is_known_to_apprise():
    known = {
        scheme
        for service in apprise.Apprise().details()["schemas"]
        for scheme in (*(service["protocols"] or ()), *(service["secure_protocols"] or ()))
    }
    assert set(SCHEMES) <= known


def test_wecom_is_not_wecom():
    """The trap: Apprise's wecom:// belongs to another service."""
    assert "PushPlus" in complaint("apprise", "wecom://token")
    assert complaint("apprise", "wecombot://BOTKEY") is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "token",
        "syslog://",
        "exec://rm",
        "file:///etc/passwd",
        "https://example.com/hook",
        "json://{address}/x",
        "json://a.{address}:80/x",
        "json://[::1",
        "windows://",
    ],
)
def test_an_address_that_is_not_allowed_is_named_without_repeating_it(url):
    said = complaint("apprise", url)
    assert said
    assert not url or url not in said


@pytest.mark.parametrize(
    "url", ["mailto://u:p@example.com?to={address}", "schan://{address}", "dingtalk://token/{address}", "lark://token"]
)
def test_where_a_persons_part_may_stand(url):
    assert complaint("apprise", url) is None
    assert ChatSender(url.replace("{address}", "SCT1")).check()


def test_a_notice_reaches_its_person(far_side):
    verdict = ChatSender(far_side.apprise_url("chat")).send(NOTICE)
    assert isinstance(verdict, Sent)
    arrived = far_side.expect("chat", "1栋0101 余额 25.00 元")
    assert arrived.title == "购电提醒"
    assert [path.count("/") for path, _, _ in far_side.raw] == [3], "the person's part stays one part of the path"


@pytest.mark.parametrize(
    ("answer", "kind"), [(503, Retry), (429, Retry), (400, GiveUp), (403, GiveUp), (DROP, Retry), (307, Retry)]
)
def test_apprises_no_is_told_with_its_reason(far_side, answer, kind):
    far_side.script("chat", answer)
    verdict = ChatSender(far_side.apprise_url("chat")).send(NOTICE)
    assert isinstance(verdict, kind), verdict
    assert verdict.reason
    assert len(far_side.raw) == 1, "no redirect is followed, nothing is repeated"


def test_a_silent_service_ends_in_a_time_out(far_side, monkeypatch):
    monkeypatch.setattr("connectors.notify.chat.READ_TIMEOUT_S", 0.5)
    far_side.script("chat", HANG)
    assert isinstance(ChatSender(far_side.apprise_url("chat")).send(NOTICE), Retry)


def test_an_address_that_apprise_cannot_read_is_found_by_the_check():
    with pytest.raises(ValueError, match="dingtalk"):
        ChatSender("dingtalk://").check()
