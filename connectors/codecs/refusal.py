"""How a codec says no inside itself: one exception with the reason's word, turned into Rejected at the decoder's border."""

from __future__ import annotations

from hub.vocabulary.rejected import RejectReason


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """The input cannot be used: `reason`, `detail` (what was wrong, what is allowed), `path` of the field where known."""

    def __init__(self, reason: RejectReason, detail: str, path: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.path = path

    @property
    def text(self) -> str:
        """Path and detail as one sentence."""
        return f"{self.path}: {self.detail}" if self.path else self.detail


def shown(value: object) -> str:
    """A value of the input, short enough and harmless enough for a message."""
    text = value if isinstance(value, str) else repr(value)
    return ascii(text if len(text) <= 40 else text[:40] + "…") if isinstance(value, str) else text[:40]
