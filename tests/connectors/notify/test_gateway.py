"""SMS gateways as data: what goes out, how it is signed, and what their answers mean. Answers are the documents' own."""

import json
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from connectors.notify import complaint, describe, make_sender, types
from connectors.notify.description import Description, Signing, Success, read_description, shipped
from connectors.notify.gateway import Gateway, Text
from connectors.signatures import Request, aliyun_v3, hmac_sha256, tencent_v3
from connectors.signatures import Signing as Signed
from hub.vocabulary.instants import parse_iso
from hub.vocabulary.ports import GiveUp, OutgoingNotice, Retry, Sent
from support.far_side import DROP, HANG, far_side

__all__ = ["far_side"]

NOTICE = OutgoingNotice(
    key="hub-7-abc",
    address="138 0000-0001",
    title="购电提醒",
    body='您好，"1栋0101" & 余额 25.00 元',
    template="low_balance_1",
    params={"place": "1栋0101", "credit": "25.00", "unit": "元"},
)
ALIYUN = {"sign_name": "湖畔花园", "access_key_id": "id", "access_key_secret": "secret"}
TENCENT = {"sdk_app_id": "1400006666", "sign_name": "湖畔花园", "secret_id": "id", "secret_key": "secret"}


def to_far_side(name: str, values: dict[str, str], far_side, texts: dict[str, Text]) -> Gateway:
    """A shipped adapter whose host is the far side."""
    return Gateway(msgspec.structs.replace(shipped()[name], url=far_side.url(name)), values, texts, 2)


# --- signatures: the examples of the providers' own documentation -------------------------------------------


def test_aliyun_signature_is_the_one_of_its_documentation():
    request = Request(
        method="POST",
        url="https://ecs.cn-shanghai.aliyuncs.com/",
        query={"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"},
        headers={},
        body=b"",
    )
    signing = Signed(
        key_id="YourAccessKeyId",
        secret="YourAccessKeySecret",
        at_s=parse_iso("2023-10-26T10:22:32Z") // 1000,
        nonce="3156853299f313e23d1673dc12e1703d",
        options={"action": "RunInstances", "version": "2014-05-26"},
    )
    headers = aliyun_v3(request, signing)
    assert headers["x-acs-date"] == "2023-10-26T10:22:32Z"
    assert headers["Authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_tencent_signature_is_the_one_of_its_documentation():
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    request = Request(method="POST", url="https://cvm.tencentcloudapi.com/", query={}, headers={}, body=body)
    signing = Signed(
        key_id="AKID" + "*" * 32,
        secret="*" * 32,
        at_s=1_551_113_065,
        nonce="",
        options={"service": "cvm", "action": "DescribeInstances", "version": "2017-03-12"},
    )
    assert tencent_v3(request, signing)["Authorization"].endswith(
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )


def test_an_own_gateway_can_prove_who_wrote_every_byte():
    def signature(body: bytes) -> str:
        request = Request(method="POST", url="http://x/", query={}, headers={}, body=body)
        signing = Signed(key_id="k", secret="s", at_s=1, nonce="n", options={"header": "X-Sig"})
        return hmac_sha256(request, signing)["X-Sig"]

    assert signature(b"a") != signature(b"b")
    assert len(signature(b"a")) == 64


# --- what goes out ----------------------------------------------------------------------------------------


def test_aliyun_gets_the_registered_text_with_its_parameters(far_side):
    far_side.reply = {"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "x"}
    sender = to_far_side("aliyun-sms", ALIYUN, far_side, {"low_balance_1": Text("SMS_1")})
    raw = _raw(far_side, sender)
    query = {name: values[0] for name, values in parse_qs(urlsplit(raw[0]).query).items()}
    assert json.loads(query.pop("TemplateParam")) == dict(NOTICE.params)
    assert query == {
        "PhoneNumbers": "13800000001",
        "SignName": "湖畔花园",
        "TemplateCode": "SMS_1",
        "OutId": "hub-7-abc",
    }
    assert raw[1]["x-acs-action"] == "SendSms"
    assert "secret" not in str(raw)


def test_tencent_gets_the_parameters_in_the_order_of_the_site_file(far_side):
    answer = {"Response": {"SendStatusSet": [{"SerialNo": "5000:1", "Code": "Ok", "Message": "send success"}]}}
    far_side.reply = answer
    texts = {"low_balance_1": Text("1234", ("credit", "place", "unknown"))}
    raw = _raw(far_side, to_far_side("tencent-sms", TENCENT, far_side, texts))
    assert json.loads(raw[2]) == {
        "PhoneNumberSet": ["+8613800000001"],
        "SmsSdkAppId": "1400006666",
        "SignName": "湖畔花园",
        "TemplateId": "1234",
        "TemplateParamSet": ["25.00", "1栋0101", ""],
        "SessionContext": "hub-7-abc",
    }
    assert raw[1]["X-TC-Action"] == "SendSms"


def _raw(far_side, sender: Gateway):
    """Send, and the request as it came."""
    verdict = sender.send(NOTICE)
    assert isinstance(verdict, Sent), verdict
    assert verdict.provider_id
    far_side._arrived.clear()
    return far_side.raw[-1]


def test_a_text_of_a_resident_cannot_change_the_request(far_side):
    nasty = 'x", "to": "other\r\nX-Evil: 1 {key} {secret}'
    description = Description(
        name="t",
        source="tests",
        url=far_side.url("sms"),
        secrets=("secret",),
        json={"to": "{address}", "text": "{body}", "key": "{key}"},
        headers={"X-Place": "{title}"},
        address=".+",
    )
    sender = Gateway(description, {"secret": "s3cr3t"}, {}, 2)
    sender.send(msgspec.structs.replace(NOTICE, body=nasty, title="plain"))
    arrived = far_side.expect("sms", to="13800000001")
    assert arrived.body == nasty, "placeholders in a value are not filled again"
    for title in ("a\r\nX-Evil: 1", "购电"):
        assert isinstance(sender.send(msgspec.structs.replace(NOTICE, title=title)), GiveUp)


@pytest.mark.parametrize("address", ["", "王芳", "1' OR 1=1", "138;139", "../admin", "1" * 30])
def test_what_is_no_number_is_given_up_and_never_sent(far_side, address):
    sender = to_far_side("aliyun-sms", ALIYUN, far_side, {"low_balance_1": Text("SMS_1")})
    assert isinstance(sender.send(msgspec.structs.replace(NOTICE, address=address)), GiveUp)
    assert far_side.raw == []


def test_a_template_without_a_registered_text_is_given_up(far_side):
    verdict = to_far_side("aliyun-sms", ALIYUN, far_side, {}).send(NOTICE)
    assert isinstance(verdict, GiveUp)
    assert "low_balance_1" in verdict.reason
    assert far_side.raw == []


# --- what the answers mean --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reply", "kind"),
    [
        ("aliyun-sms", {"Code": "OK", "BizId": "1"}, Sent),
        ("aliyun-sms", {"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发流控"}, Retry),
        ("aliyun-sms", {"Code": "Throttling.User"}, Retry),
        ("aliyun-sms", {"Code": "isv.MOBILE_NUMBER_ILLEGAL"}, GiveUp),
        ("aliyun-sms", {"Code": "isv.AMOUNT_NOT_ENOUGH"}, GiveUp),
        ("aliyun-sms", ["nonsense"], Retry),
        ("tencent-sms", {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "1"}]}}, Sent),
        ("tencent-sms", {"Response": {"SendStatusSet": [{"Code": "LimitExceeded.PhoneNumberOneHourLimit"}]}}, Retry),
        ("tencent-sms", {"Response": {"SendStatusSet": [{"Code": "LimitExceeded.PhoneNumberDailyLimit"}]}}, GiveUp),
        ("tencent-sms", {"Response": {"Error": {"Code": "InternalError.Timeout", "Message": "x"}}}, Retry),
        ("tencent-sms", {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure"}}}, GiveUp),
    ],
)
def test_the_providers_words_decide_whether_trying_again_makes_sense(far_side, name, reply, kind):
    values = ALIYUN if name == "aliyun-sms" else TENCENT
    far_side.reply = reply
    sender = to_far_side(name, values, far_side, {"low_balance_1": Text("1", ("place",))})
    verdict = sender.send(NOTICE)
    far_side._arrived.clear()
    assert isinstance(verdict, kind), verdict


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (200, Sent),
        (503, Retry),
        (500, Retry),
        (429, Retry),
        (408, Retry),
        (400, GiveUp),
        (401, GiveUp),
        (302, GiveUp),
        (DROP, Retry),
        (HANG, Retry),
    ],
)
def test_status_time_out_and_broken_connections(far_side, answer, kind):
    description = Description(
        name="t", source="tests", url=far_side.url("sms"), json={"to": "{address}", "text": "{body}"}, address=".+"
    )
    far_side.script("sms", answer)
    assert isinstance(Gateway(description, {}, {}, 0.5 if answer == HANG else 10).send(NOTICE), kind)
    if kind is Sent:
        far_side.expect("sms")
    assert len(far_side.raw) == 1, "a sender never repeats by itself"


def test_nobody_there_is_worth_another_try():
    description = Description(name="t", source="tests", url="http://127.0.0.1:9/", json={}, address=".+")
    assert isinstance(Gateway(description, {}, {}, 0.5).send(NOTICE), Retry)


# --- descriptions -----------------------------------------------------------------------------------------


def test_every_shipped_adapter_is_right_and_speaks_tls():
    assert set(shipped()) == {"aliyun-sms", "tencent-sms"}
    for name, description in shipped().items():
        assert description.name == name
        assert description.url.startswith("https://")
        assert name in types()


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"url": "ftp://host/"}, "http"),
        ({"url": "https://{address}/"}, "host"),
        ({"url": "https://user:pass@host/"}, "host"),
        ({"url": "https://host/?q=1"}, "query"),
        ({"json": {"a": "{nonsense}"}}, "nonsense"),
        ({"json": {"a": ["{other}"]}, "form": {}}, "other"),
        ({"json": {}, "form": {"a": "b"}}, "json"),
        ({"signing": {"by": "rot13"}}, "by"),
        ({"signing": {"by": "hmac-sha256", "secret": "unknown"}}, "unknown"),
        ({"signing": {"by": "hmac-sha256"}}, "no secret"),
        ({"colour": "red"}, "colour"),
        ({"address": "("}, "unterminated"),
    ],
)
def test_a_wrong_description_is_refused_with_what_is_wrong(tmp_path, wrong, word):
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"name": "x", "source": "us", "url": "https://host/"} | wrong), encoding="utf-8")
    with pytest.raises((ValueError, Exception), match=word):
        read_description(path)


def test_an_own_gateway_is_one_file(tmp_path, far_side):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        f"""
name: mygate
source: our own gateway's manual, p. 3
url: {far_side.url("sms")}
settings: [sender]
secrets: [token]
form: {{unused: x}}
headers: {{Authorization: "Bearer {{token}}"}}
""".replace("form: {unused: x}\n", 'json: {to: "{address}", text: "{body}", from: "{sender}", key: "{key}"}\n'),
        encoding="utf-8",
    )
    assert describe(path).settings == ("sender",)
    sender = make_sender("http", {"sender": "物业", "token": "t0ken"}, {}, path)
    assert isinstance(sender.send(NOTICE), Sent)
    far_side.expect("sms", "1栋0101")
    assert far_side.raw[0][1]["Authorization"] == "Bearer t0ken"
    assert "t0ken" not in sender.check()


def test_signing_and_success_have_defaults_that_ask_for_nothing():
    assert Signing().by == "none"
    assert Success().status == (200,)
    assert complaint("aliyun-sms", "anything") is None
