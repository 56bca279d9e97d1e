"""The address of a webhook as text: pure. Where it leads is checked when something is sent, because names change."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from hub.settings.urls import UrlError

ALLOWED: Final = "https://HOST[:PORT]/PATH, at most 500 characters; http:// only within publishing.private_networks"
TEXT: Final = re.compile(r"[!-~]{1,500}")


def webhook_url(text: str) -> str:
    """The URL as it is used. Raises UrlError, which does not repeat it: a token may stand in it."""
    if not TEXT.fullmatch(text):
        raise UrlError("the address holds spaces or other characters that no URL has, or is too long", ALLOWED)
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        raise UrlError("the address cannot be read", ALLOWED) from None
    if url.scheme not in {"https", "http"} or not host:
        raise UrlError("the address is not https://HOST/PATH", ALLOWED)
    if url.username is not None or url.password is not None:
        raise UrlError("user or password in the address: what we send is signed", ALLOWED)
    if url.fragment:
        raise UrlError("something stands behind #", ALLOWED)
    if port == 0:
        raise UrlError("the port is out of range", "1 to 65535")
    return text
