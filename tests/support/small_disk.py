"""A disk of a few megabytes that a test can fill and free: a tmpfs, where this user may mount one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class NoMountError(Exception):
    """This user may not mount a file system."""


class SmallDisk:
    """Mounted at `place` until `close`. Raises NoMountError."""

    def __init__(self, place: Path, megabytes: int) -> None:
        place.mkdir(parents=True)
        self.place = place
        self._filler = place / "filler"
        line = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        try:
            done = subprocess.run(line, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise NoMountError("no `mount` here") from error
        if done.returncode != 0:
            raise NoMountError(done.stderr.strip())

    def fill(self) -> None:
        """Leave not a single block."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (65_536, 4_096, 1):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError:
                    pass

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        os.sync()
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)
