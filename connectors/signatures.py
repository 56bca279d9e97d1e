"""How SMS gateways and city platforms want their requests signed: pure functions from a request and a moment to headers.

Rule: a closed set. A signature is added here with the example of its provider's own documentation as a test, never as
configuration.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

EMPTY_BODY_DIGEST: Final = hashlib.sha256(b"").hexdigest()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request before it is signed. `query` is not part of `url` yet."""

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature needs beside the request. `at_s` are seconds since 1970; `nonce` is never used twice."""

    key_id: str
    secret: str
    at_s: int
    nonce: str
    options: Mapping[str, str] = msgspec.field(default_factory=dict)  # action, version, service, region, header


Signature = Callable[[Request, Signing], Mapping[str, str]]
"""The headers to be added."""


def canonical_query(query: Mapping[str, str]) -> str:
    """Sorted, percent-encoded after RFC 3986 (a space is %20, a tilde stays)."""
    return urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def unsigned(request: Request, signing: Signing) -> Mapping[str, str]:
    """The gateway wants none (its key stands in the body or in a header of the description)."""
    return {}


def hmac_sha256(request: Request, signing: Signing) -> Mapping[str, str]:
    """HMAC-SHA256 over `timestamp.nonce.body`, as hex; for own gateways. Header names: `X-Timestamp`, `X-Nonce`,
    `X-Key-Id`, and `options.header` (else `X-Signature`).
    """
    text = f"{signing.at_s}.{signing.nonce}.".encode() + request.body
    digest = hmac.new(signing.secret.encode(), text, hashlib.sha256).hexdigest()
    header = signing.options.get("header", "X-Signature")
    stamp = {"X-Timestamp": str(signing.at_s), "X-Nonce": signing.nonce, header: digest}
    return stamp | ({"X-Key-Id": signing.key_id} if signing.key_id else {})


def aliyun_v3(request: Request, signing: Signing) -> Mapping[str, str]:
    """Alibaba Cloud's ACS3-HMAC-SHA256 (help.aliyun.com, 'V3 request body and signature mechanism')."""
    host = urlsplit(request.url).netloc
    digest = hashlib.sha256(request.body).hexdigest()
    added = {
        "host": host,
        "x-acs-action": signing.options["action"],
        "x-acs-content-sha256": digest,
        "x-acs-date": datetime.fromtimestamp(signing.at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": signing.nonce,
        "x-acs-version": signing.options["version"],
    }
    signed = ";".join(sorted(added))
    canonical = "\n".join(
        (
            request.method,
            urlsplit(request.url).path or "/",
            canonical_query(request.query),
            "".join(f"{name}:{added[name].strip()}\n" for name in sorted(added)),
            signed,
            digest,
        )
    )
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = _hmac(signing.secret.encode(), to_sign).hex()
    credential = f"ACS3-HMAC-SHA256 Credential={signing.key_id},SignedHeaders={signed},Signature={signature}"
    return added | {"Authorization": credential}


def tencent_v3(request: Request, signing: Signing) -> Mapping[str, str]:
    """Tencent Cloud's TC3-HMAC-SHA256 (cloud.tencent.com document 382/52072, 'Signature v3')."""
    host = urlsplit(request.url).netloc
    service, action = signing.options["service"], signing.options["action"]
    content_type = request.headers.get("Content-Type", "application/json; charset=utf-8")
    signed = "content-type;host;x-tc-action"
    canonical = "\n".join(
        (
            request.method,
            "/",
            canonical_query(request.query),
            f"content-type:{content_type}\nhost:{host}\nx-tc-action:{action.lower()}\n",
            signed,
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    date = datetime.fromtimestamp(signing.at_s, UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{signing.at_s}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _hmac(_hmac(_hmac(f"TC3{signing.secret}".encode(), date), service), "tc3_request")
    signature = _hmac(key, to_sign).hex()
    headers = {
        "Authorization": f"TC3-HMAC-SHA256 Credential={signing.key_id}/{scope}, SignedHeaders={signed}, "
        f"Signature={signature}",
        "Content-Type": content_type,
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Timestamp": str(signing.at_s),
        "X-TC-Version": signing.options["version"],
    }
    region = signing.options.get("region")
    return headers | ({"X-TC-Region": region} if region else {})


SIGNATURES: Final[Mapping[str, Signature]] = {
    "none": unsigned,
    "hmac-sha256": hmac_sha256,
    "aliyun-v3": aliyun_v3,
    "tencent-v3": tencent_v3,
}
