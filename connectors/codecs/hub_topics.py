"""Topics of the hub's own messages: commands to devices, the canaries that it sends to itself, and tickets for others.

What lies under `hub/v1/` comes back to the hub, because it subscribes to the whole of it; `_hub` can be no site's id. What is
for others only lies under `hub/out/`.
"""

from __future__ import annotations

from typing import Final

from hub.vocabulary.ports import Lane

ROOT: Final = "hub/v1"
OUT: Final = "hub/out/v1"
SELF: Final = "_hub"
CANARY_WORDS: Final = {Lane.ALARM: "canary-alarm", Lane.TELEMETRY: "canary-telemetry"}


def command_topic(site: str, device: str) -> str:
    """Where a device of profile hub-json listens."""
    return f"{ROOT}/{site}/{device}/command"


def reading_topic(site: str, device: str) -> str:
    """Where a meter of profile hub-json reports."""
    return f"{ROOT}/{site}/{device}/reading"


def canary_topic(client_id: str, lane: Lane) -> str:
    """Where this hub's canary of one lane goes."""
    return f"{ROOT}/{SELF}/{client_id}/{CANARY_WORDS[lane]}"


def ticket_topic(site: str, ticket_id: int) -> str:
    """Where the state of an active ticket is left for whoever subscribes to `hub/out/v1/{site}/tickets/+`."""
    return f"{OUT}/{site}/tickets/{ticket_id}"


def is_command(levels: list[str]) -> bool:
    """Whether a topic (cut at `/`) is a command of the hub's own, which its wide subscription brings back to it."""
    return len(levels) == 5 and levels[-1] == "command" and levels[:2] == ["hub", "v1"]
