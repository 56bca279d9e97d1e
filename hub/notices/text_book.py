"""Which text a site uses: its own where it has edited one, else the shipped one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, bindparam, select

from hub.notices import texts
from hub.notices.texts import Text, TextError
from hub.store.schema import templates
from hub.vocabulary.instants import UtcMs

Forecast: TypeAlias = Callable[[Connection, str], int | None]
"""(transaction, meter) → whole days, or None where that would not be honest."""

_OWN = select(templates).where(templates.c.site == bindparam("_site")).order_by(templates.c.name, templates.c.locale)


def own_texts(connection: Connection, site: str) -> Sequence[Row[Any]]:
    """The site's own texts."""
    return connection.execute(_OWN, {"_site": site}).all()


class TextBook:
    """The texts of a transaction; each site's own are read once."""

    def __init__(
        self,
        connection: Connection,
        buildings: Mapping[str, Mapping[str, str]] | None = None,
        link_addresses: Mapping[str, str] | None = None,
        forecasts: Mapping[str, Forecast] | None = None,
    ) -> None:
        """`buildings`: per site what each building is called; `link_addresses`: where the tokens of its links go behind.

        `forecasts`: per site for how many days a meter's credit lasts.
        """
        self._forecasts = forecasts or {}
        self._connection = connection
        self._buildings = buildings or {}
        self._link_addresses = link_addresses or {}
        self._own: dict[str, dict[tuple[str, str], Text]] = {}

    def text(self, site: str, name: str, locale: str) -> Text:
        """The text. Raises TextError where there is no template of this name."""
        if name not in texts.parameters():
            raise TextError(f"there is no template {name!r}")
        locale = locale if locale in texts.LOCALES else texts.LOCALES[0]
        return self._of(site).get((name, locale)) or texts.shipped(locale)[name]

    def place(self, site: str, place: str) -> str:
        """A place as people call it: `b1/0101` is 1栋0101 where b1 is called 1栋."""
        building, _, unit = place.partition("/")
        name = self._buildings.get(site, {}).get(building)
        return place if name is None else f"{name}{unit}" if not name[-1:].isascii() else f"{name} {unit}".strip()

    def link(self, site: str, token: str) -> str | None:
        """The address of a link; None where the hub has no public one."""
        base = self._link_addresses.get(site)
        return None if base is None else f"{base}/{token}"

    def days_left(self, site: str, device: str) -> int | None:
        """For how many days the credit of this meter lasts; None where nobody can say."""
        forecast = self._forecasts.get(site)
        return None if forecast is None else forecast(self._connection, device)

    def _of(self, site: str) -> dict[tuple[str, str], Text]:
        if site not in self._own:
            self._own[site] = {
                (row.name, row.locale): Text(row.title, row.body) for row in own_texts(self._connection, site)
            }
        return self._own[site]


def put_text(connection: Connection, site: str, name: str, locale: str, text: Text, by: str, now: UtcMs) -> None:
    """Store a site's own text. Raises TextError for one that must not be."""
    texts.check(name, text)
    key = (templates.c.site == site) & (templates.c.name == name) & (templates.c.locale == locale)
    values = {"title": text.title, "body": text.body, "updated_at": now, "updated_by": by}
    if connection.execute(templates.update().where(key).values(values)).rowcount == 0:
        connection.execute(templates.insert().values(site=site, name=name, locale=locale, **values))


def drop_text(connection: Connection, site: str, name: str, locale: str) -> bool:
    """Back to the shipped text; False where there was no own one."""
    key = (templates.c.site == site) & (templates.c.name == name) & (templates.c.locale == locale)
    return connection.execute(templates.delete().where(key)).rowcount > 0
