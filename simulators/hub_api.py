"""The few HTTP calls that a scenario needs, with the standard library: tickets by subject from the contract's API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

TIMEOUT_S = 10.0
PAGE = 200


class HubError(Exception):
    """The hub could not be asked; the text says what it answered."""


class HubApi:
    """A hub at a base address such as http://127.0.0.1:8000, with a bearer token."""

    def __init__(self, base: str, token: str | None) -> None:
        if not base.startswith(("http://", "https://")):
            raise HubError(f"{base}: expected http://host:port")
        self._base, self._token = base.rstrip("/"), token

    def tickets(self, subjects: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
        """Every ticket about these (site, subject), closed ones too, by ticket id; ids repeat from site to site."""
        found: dict[str, dict[str, Any]] = {}
        for site, subject in subjects:
            pages = self._pages("/tickets", {"site": site, "subject": subject})
            found |= {ticket["id"]: ticket for ticket in pages}
        return found

    def _pages(self, path: str, query: dict[str, str]) -> Iterable[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self._get(path, query | {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def _get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._base}/api/v1{path}?{urlencode(query, quote_via=quote)}")  # noqa: S310 the scheme was checked
        request.add_header("Accept", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 as above
                body = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(300).decode(errors="replace")
            raise HubError(f"{request.full_url}: {error.code} {said}") from error
        except (OSError, ValueError) as error:
            raise HubError(f"{request.full_url}: {error}") from error
        if not isinstance(body, dict) or "items" not in body:
            raise HubError(f"{request.full_url}: no list of items")
        return body
