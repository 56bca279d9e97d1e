"""One slip in a site file that is right otherwise: it is said with its field, its line, what is wrong and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.settings import ConfigurationErrors
from support.configuration import load_configuration, write_configuration


def assert_said(folder: Path, site: str, slip: tuple[str, str], field: str, line: int, said: str) -> None:
    """With the first `slip[0]` of the site file replaced by `slip[1]`, one mistake of this field is named, in this line."""
    old, new = slip
    assert old in site
    with pytest.raises(ConfigurationErrors) as caught:
        load_configuration(write_configuration(folder, lakeside=site.replace(old, new, 1)))
    found = [mistake for mistake in caught.value.mistakes if mistake.field == field]
    assert [mistake.line for mistake in found] == [line], caught.value.mistakes
    assert said in f"{found[0].problem}; {found[0].allowed}"
