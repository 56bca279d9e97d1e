"""What the parts of the outbox share: a site's ways and policy, rows of orders, and composing one text for several.

Every function here works inside a transaction that its caller owns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from hub.notices import texts
from hub.notices.plan import URGENCY_RANK, Channel, NoticeState, first_channel
from hub.notices.recipients import Recipient
from hub.notices.text_book import Forecast, TextBook
from hub.notices.texts import Rendered, TextError
from hub.registry.links import ACTION_OF, ACTIONS, HIDDEN, VALID_MS, Link, LinkKey
from hub.settings.model import NoticePolicy
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.schema import notice_merges, notice_orders, notices
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import SECOND_MS, UtcMs

LINK_PARAM: Final = "ack_url"
DAYS_LEFT: Final = "days_left"
"""Found out when the text is written: what was true when it was ordered may be days ago."""


class Links(msgspec.Struct, frozen=True):
    """With what links in messages are signed, and the address that their tokens go behind."""

    key: LinkKey
    address: str


class SiteNotices(msgspec.Struct, frozen=True, kw_only=True):
    """One site's policy, zone and notifiers; `receipts` are those notifiers whose provider tells what came of it."""

    policy: NoticePolicy
    zone: tzinfo
    notifiers: frozenset[str] = frozenset()
    receipts: frozenset[str] = frozenset()
    buildings: Mapping[str, str] = msgspec.field(default_factory=dict)  # id → what it is called
    chain: Mapping[str, str] = msgspec.field(default_factory=dict)  # role → the one that is told in its stead
    links: Links | None = None
    forecast: Forecast | None = None


Sites = Mapping[str, SiteNotices]


def text_book(connection: Connection, sites: Sites) -> TextBook:
    """The texts of this transaction, with the sites' own names for their buildings."""
    return TextBook(
        connection,
        {name: site.buildings for name, site in sites.items()},
        {name: site.links.address for name, site in sites.items() if site.links is not None},
        {name: site.forecast for name, site in sites.items() if site.forecast is not None},
    )


def urgency(order: Row[Any]) -> Urgency:
    """Of an order's row."""
    return Urgency(order.urgency)


def worst_first(orders: Iterable[Row[Any]]) -> list[Row[Any]]:
    """The most urgent first, then the higher level, then the older."""
    return sorted(orders, key=lambda order: (URGENCY_RANK[urgency(order)], -_level(order), order.id))


def _level(order: Row[Any]) -> int:
    level = msgspec.json.decode(order.params_json).get("level")
    return int(level) if isinstance(level, int) or (isinstance(level, str) and level.isdigit()) else 0


def write_text(book: TextBook, orders: Sequence[Row[Any]], locale: str, token: str = HIDDEN) -> Rendered:
    """One text for these orders, worst first. `token` is that of their link: it is in no text that is kept. Raises TextError."""
    parts = []
    for order in orders:
        params = texts.as_params(msgspec.json.decode(order.params_json))
        if "place" in params:
            params["place"] = book.place(order.site, params["place"])
        if "unit" in params:
            params["unit"] = texts.unit_word(params["unit"], locale)
        if DAYS_LEFT in texts.known_parameters(order.template) and order.subject_type == SubjectType.DEVICE:
            days = book.days_left(order.site, order.subject_id)
            params |= {} if days is None else {DAYS_LEFT: str(days)}
        if order.ticket_id is not None and (link := book.link(order.site, token)) is not None:
            params[LINK_PARAM] = link
        text = book.text(order.site, order.template, locale)
        parts.append(texts.Part(template=order.template, params=params, text=text))
    whole = texts.compose(parts, locale, drill=any(order.drill for order in orders))
    # Registered texts take their parameters by place or by name: one that their provider does not know would spoil them.
    plain = {name: value for name, value in whole.params.items() if name not in {LINK_PARAM, DAYS_LEFT}}
    return Rendered(whole.title, whole.body, plain)


def link_token(links: Links | None, orders: Iterable[Row[Any]], person_id: int | None, created_at: UtcMs) -> str:
    """The token of the worst order's link for this person; HIDDEN where there is none. The same at every attempt."""
    about = next((order for order in orders if order.ticket_id is not None), None)
    if links is None or about is None or person_id is None:
        return HIDDEN
    expires_s = (created_at + VALID_MS) // SECOND_MS
    action = ACTION_OF.get(about.template, ACTIONS[0])
    link = Link(ticket_id=about.ticket_id, person_id=person_id, action=action, expires_at=expires_s * SECOND_MS)
    return links.key.token(link)


def orders_of(connection: Connection, notice_id: int, primary: int) -> list[Row[Any]]:
    """The orders that a notice stands for: its own and those merged into it."""
    merged = select(notice_merges.c.order_id).where(notice_merges.c.notice_id == notice_id)
    condition = (notice_orders.c.id == primary) | notice_orders.c.id.in_(merged)
    return list(connection.execute(select(notice_orders).where(condition).order_by(notice_orders.c.id)))


def taken_channels(connection: Connection, order_id: int) -> set[Channel]:
    """Addresses that have a notice of this order already."""
    rows = connection.execute(select(notices.c.channel, notices.c.address).where(notices.c.order_id == order_id))
    return {Channel(row.channel, row.address) for row in rows}


def write_notice(
    connection: Connection,
    book: TextBook,
    recipient: Recipient,
    orders: Sequence[Row[Any]],
    now: UtcMs,
) -> bool:
    """A notice to the recipient's best channel that is still free, for these orders (the first is the one it belongs to).

    False where no channel is left: nobody further can be tried for this recipient.
    """
    primary = orders[0]
    channel = first_channel(recipient.channels, taken_channels(connection, primary.id))
    if channel is None:
        return False
    delivered = channel.channel == HOUSEKEEPER_LIST  # it is read through the API: written is delivered
    state, outcome, rendered = NoticeState.DELIVERED if delivered else NoticeState.QUEUED, None, Rendered("", "", {})
    try:
        rendered = write_text(book, orders, recipient.locale)
    except TextError as error:
        state, outcome = NoticeState.FAILED, f"text: {error}"
    done_at = now if state is NoticeState.DELIVERED else None
    primary_key = connection.execute(
        notices.insert().values(
            order_id=primary.id,
            site=primary.site,
            person_id=recipient.person_id,
            recipient=recipient.name,
            channel=channel.channel,
            address=channel.address,
            rank=recipient.channels.index(channel) + 1,
            title=rendered.title,
            body=rendered.body,
            state=str(state),
            attempts=0,
            next_try_at=now if state is NoticeState.QUEUED else None,
            outcome=outcome,
            created_at=now,
            sent_at=done_at,
            delivered_at=done_at,
        )
    ).inserted_primary_key
    assert primary_key is not None
    for order in orders[1:]:
        connection.execute(notice_merges.insert().values(order_id=order.id, notice_id=primary_key[0]))
    return True
