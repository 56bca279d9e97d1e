"""Chat groups, phones and mail through Apprise: WeCom, DingTalk, Feishu, ServerChan, Bark, mail, ntfy and a few more.

The whole address is a secret of the site (`url_env`, `url_file`); `{address}` in it stands for the person's own part. The
schemes are a closed set: Apprise knows far more, some of which run programs or write files. Trap: `wecom://` is PushPlus;
WeCom's group robot is `wecombot://`, its application `wechat://`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

from hub.vocabulary.ports import GiveUp, OutgoingNotice, Retry, Sent

ADDRESS: Final = "{address}"
CONNECT_TIMEOUT_S: Final = 4
READ_TIMEOUT_S: Final = 8

SCHEMES: Final[Mapping[str, str]] = {
    "wecombot": "WeCom group robot",
    "wechat": "WeCom application",
    "dingtalk": "DingTalk robot",
    "feishu": "Feishu application",
    "lark": "Feishu group robot",
    "schan": "ServerChan",
    "bark": "Bark",
    "barks": "Bark over TLS",
    "pushdeer": "PushDeer",
    "pushdeers": "PushDeer over TLS",
    "wxpusher": "WxPusher",
    "mailto": "mail",
    "mailtos": "mail over TLS",
    "ntfy": "ntfy",
    "ntfys": "ntfy over TLS",
    "gotify": "Gotify",
    "gotifys": "Gotify over TLS",
    "json": "JSON to an own address",
    "jsons": "JSON over TLS to an own address",
}
CONFUSED: Final[Mapping[str, str]] = {
    "wecom": "wecom:// is PushPlus; WeCom's group robot is wecombot://, its application wechat://",
    "https": "a webhook's address is no Apprise address; see docs for the scheme of your service",
}
KEY_IN_PLACE_OF_HOST: Final = frozenset({"schan", "pushdeer", "pushdeers", "wxpusher"})
TRY_AGAIN: Final = frozenset({408, 425, 429})
CODE: Final = re.compile(r"error=(\d{3})\b")


def complaint(url: str) -> str | None:
    """What is wrong with an address, in words that do not repeat it (it is a secret); None: nothing."""
    scheme, colon, _ = url.partition("://")
    scheme = scheme.lower()
    if not colon:
        return "holds no address SCHEME://…"
    if scheme in CONFUSED:
        return CONFUSED[scheme]
    if scheme not in SCHEMES:
        return f"unknown scheme; allowed: {', '.join(SCHEMES)}"
    try:
        place = urlsplit(url.replace(ADDRESS, "address.placeholder")).hostname or ""
    except ValueError:
        return "holds no address that can be read"
    if "address.placeholder" in place and scheme not in KEY_IN_PLACE_OF_HOST:
        return f"{ADDRESS} stands where the host belongs: persons must not choose the host"
    return None


class ChatSender:
    """One Apprise address (hub.vocabulary.ports.NoticeSender)."""

    receipts = False

    def __init__(self, url: str) -> None:
        self._url = url

    def check(self) -> str:
        """Which service it would be. Raises ValueError when Apprise cannot read the address."""
        scheme = self._url.partition("://")[0].lower()
        if self._service("address") is None:
            raise ValueError(f"Apprise cannot read this {scheme}:// address")
        return f"{SCHEMES[scheme]} ({scheme}://…)"

    def send(self, notice: OutgoingNotice) -> Sent | Retry | GiveUp:
        """One attempt; Apprise says yes or no, its log says why."""
        service = self._service(notice.address)
        if service is None:
            return GiveUp(reason="Apprise cannot read the address with this person's part")
        with _said_in_this_thread() as said:
            try:
                taken = service.notify(body=notice.body, title=notice.title)
            except (OSError, ValueError, TypeError, KeyError) as error:
                return Retry(reason=f"{type(error).__name__}"[:200])
        return Sent(answer="taken") if taken else _verdict(said)

    def _service(self, address: str) -> Any:
        import apprise

        asset = apprise.AppriseAsset(
            async_mode=False, secure_logging=True, http_redirects=False, app_id="hub", app_desc="", app_url=""
        )
        url = self._url.replace(ADDRESS, quote(address, safe=""))
        joint = "&" if "?" in url else "?"
        limits = f"cto={CONNECT_TIMEOUT_S}&rto={READ_TIMEOUT_S}"
        return apprise.Apprise.instantiate(f"{url}{joint}{limits}", asset=asset, suppress_exceptions=True)


def _verdict(said: list[str]) -> Retry | GiveUp:
    """From what Apprise has logged: a status that will not change is given up, everything else is tried again."""
    line = " / ".join(said)[:300] or "not taken, no reason given"
    codes = [int(code) for code in CODE.findall(line)]
    if codes and 400 <= codes[-1] < 500 and codes[-1] not in TRY_AGAIN:
        return GiveUp(reason=line)
    return Retry(reason=line)


class _Listener(logging.Handler):
    """Keeps the warnings of one thread: several senders work side by side, and Apprise has one logger for all."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        if record.thread == self._thread and len(self.said) < 5:
            self.said.append(" ".join(record.getMessage().split()))


@contextmanager
def _said_in_this_thread() -> Iterator[list[str]]:
    logger = logging.getLogger("apprise")
    listener = _Listener()
    logger.addHandler(listener)
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)
