"""The part `dead_man:` of hub.yaml: the address that is called as long as the hub proves that no deadline is lost.

The address is a secret (whoever knows it can keep the alarm quiet), so it may come from a variable or a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hub.settings.model import DeadManSettings, Secret
from hub.settings.notifiers import read_secret
from hub.settings.section import Section

URL: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[^\s\x00-\x1f\x7f#]{0,500})?")
URL_ALLOWED: Final = "an https:// or http:// address without a user or a fragment"
SHORTEST_S: Final = 60
LONGEST_S: Final = 3_600


def read_dead_man(root: Section, environ: Mapping[str, str], base: Path) -> DeadManSettings | None:
    """None where there is none, or where it is wrong (then the reason is in the log)."""
    section = root.section("dead_man")
    if section is None:
        return None
    every_s = section.integer("every_s", SHORTEST_S, LONGEST_S, default=300) or 300
    if "url" in section.fields:
        text = section.text("url", pattern=URL, allowed=URL_ALLOWED)
        for key in ("url_env", "url_file"):
            section.refuse(key, "stands beside `url`", "one of url, url_env, url_file")
        url = Secret(text) if text else None
    else:
        url = read_secret(section, "url", environ, base)
        if url is not None and not URL.fullmatch(url.reveal()):
            section.wrong("url_env" if "url_env" in section.fields else "url_file", "holds no address", URL_ALLOWED)
            url = None
    section.finish()
    return None if url is None else DeadManSettings(url=url, every_s=every_s)
