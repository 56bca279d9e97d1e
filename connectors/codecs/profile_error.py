"""What is wrong with a profile, said so that whoever wrote the file can mend it.

Every mistake of a file is collected before anything is raised; each names its field and what is allowed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class ProfileError(Exception):
    """A profile cannot be used. `problems` are sentences `field.path: what is wrong; what is allowed`."""

    def __init__(self, problems: Iterable[str], file: str = "") -> None:
        self.problems: Sequence[str] = tuple(f"{file}: {problem}" if file else problem for problem in problems)
        super().__init__("\n".join(self.problems))

    def within(self, file: str) -> ProfileError:
        """The same problems, with the file's name before each."""
        return ProfileError(self.problems, file)


class Problems:
    """Collects the mistakes of one profile while it is read."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, path: str, text: str) -> None:
        """One mistake at `path` (`mqtt.messages[0].fields.type`)."""
        self.found.append(f"{path}: {text}")

    def unknown_keys(self, raw: Iterable[object], allowed: Iterable[str], path: str) -> None:
        """One mistake for each key of `raw` that is not `allowed`."""
        names = sorted(allowed)
        for key in raw:
            if key not in names:
                self.add(f"{path}.{key}" if path else str(key), f"unknown key; allowed: {', '.join(names)}")

    def raise_if_any(self) -> None:
        """ProfileError with everything found so far."""
        if self.found:
            raise ProfileError(self.found)
