"""What a process has used, and how busy the machine is: from /proc."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of one process, since its start."""

    cpu_s: float
    rss_mb: float
    peak_mb: float


def usage(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS,
        rss_mb=int(status["VmRSS"].split()[0]) / 1024,
        peak_mb=int(status["VmHWM"].split()[0]) / 1024,
    )


def load() -> float:
    """Processes that wanted a core over the last minute, ours among them."""
    return round(os.getloadavg()[0], 2)


def processor_time() -> tuple[int, int]:
    """Ticks of all cores since the machine began: those that its host gave to other guests, and all of them."""
    ticks = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return ticks[-1], sum(ticks)


def stolen_percent(before: tuple[int, int]) -> float:
    """How much of the processor time since then other guests of the host have had."""
    (stolen, all_of_it), (stolen_before, all_before) = processor_time(), before
    return round(100 * (stolen - stolen_before) / max(1, all_of_it - all_before), 1)


def description() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, Python {platform.python_version()}"
