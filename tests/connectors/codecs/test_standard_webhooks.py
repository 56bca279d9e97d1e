"""Signatures of webhooks, against the numbers that the Standard Webhooks document prints."""

import pytest

from connectors.codecs.standard_webhooks import headers, signature, verify
from hub.vocabulary.signing_keys import key_of, secret_of

# Standard Webhooks 1.0, reference implementations' own test vector.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
EXPECTED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def lower(given):
    return {name.lower(): value for name, value in given.items()}


def test_the_document_s_own_example():
    assert signature(key_of(SECRET), ID, AT, BODY) == EXPECTED


def test_two_keys_sign_side_by_side_and_a_receiver_needs_one_of_them():
    old, new = key_of(SECRET), bytes(range(32))
    given = lower(headers([new, old], ID, AT, BODY))
    assert given["webhook-signature"].split(" ")[1] == EXPECTED
    for key in (old, new):
        assert verify([key], given, BODY, AT)
    assert not verify([bytes(32)], given, BODY, AT)


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({}, BODY + b" ", AT),
        ({"webhook-id": "msg_other"}, BODY, AT),
        ({"webhook-timestamp": str(AT + 1)}, BODY, AT),
        ({"webhook-timestamp": "soon"}, BODY, AT),
        ({"webhook-signature": EXPECTED[:-2] + "A="}, BODY, AT),
        ({"webhook-signature": ""}, BODY, AT),
        ({}, BODY, AT + 301),
        ({}, BODY, AT - 301),
    ],
)
def test_whatever_is_changed_is_noticed_and_what_is_old_is_a_replay(change, body, now):
    given = lower(headers([key_of(SECRET)], ID, AT, BODY))
    assert verify([key_of(SECRET)], given, BODY, AT)
    assert not verify([key_of(SECRET)], given | change, body, now)


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", "whsec_" + "A" * 200])
def test_a_secret_that_is_none_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError) as caught:
        key_of(text)
    assert text == "" or text not in str(caught.value).replace("whsec_", "", 1) or text == "whsec_"


def test_secrets_and_keys_are_two_spellings_of_one_thing():
    assert secret_of(key_of(SECRET)) == SECRET


@pytest.mark.parametrize(("keys", "message_id"), [([], ID), ([bytes(32)], "two words"), ([bytes(32)], "a\r\nb")])
def test_nothing_leaves_unsigned(keys, message_id):
    with pytest.raises(ValueError, match="signature"):
        headers(keys, message_id, AT, BODY)
