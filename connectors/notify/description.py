"""An SMS gateway's request as data (connectors.described_http), with what only notices have: addresses and registered texts.

Beside the declared settings and secrets a text may name `address`, `title`, `body`, `key`, `code` (registered text),
`params_json`; a json text that is exactly `{params_list}` becomes the list of parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from connectors.described_http import RequestDescription, Signing, Success, read_yaml_as
from hub.vocabulary.facts import NotifierFacts

__all__ = ["Description", "Signing", "Success", "read_description", "shipped"]

ADAPTERS: Final = Path(__file__).parent / "adapters"
PARAMS_LIST: Final = "params_list"
NOTICE_VALUES: Final = frozenset({"address", "title", "body", "key", "code", "params_json", PARAMS_LIST})


class Description(RequestDescription, frozen=True, forbid_unknown_fields=True):
    """One gateway."""

    registered_texts: bool = False
    receipts: bool = False
    address: str = r"^\+?[0-9][0-9 -]{4,20}$"  # what an address must look like
    address_prefix: str = ""  # put before a number that has no +

    def facts(self) -> NotifierFacts:
        """What a site file has to say about it."""
        return msgspec.structs.replace(super().facts(), registered_texts=self.registered_texts)

    def check(self) -> None:
        """Raise ValueError with what is wrong."""
        self.check_request(NOTICE_VALUES)
        re.compile(self.address)


def read_description(path: Path) -> Description:
    """Read and check one. Raises ValueError with what is wrong, OSError."""
    found = read_yaml_as(path, Description)
    found.check()
    return found


def shipped() -> Mapping[str, Description]:
    """The adapters that come with the hub, by name."""
    return {path.stem: read_description(path) for path in sorted(ADAPTERS.glob("*.yaml"))}
