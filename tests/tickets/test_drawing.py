"""The page about the entrapment says what the table says."""

from pathlib import Path

from hub.tickets.drawing import draw

PAGE = Path(__file__).resolve().parents[2] / "docs" / "entrapment.md"


def test_the_page_is_the_drawing_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == draw(), "python -m hub.tickets.drawing > docs/entrapment.md"
