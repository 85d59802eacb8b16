"""Memory of the processes of a replay."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from pathlib import Path


def pss_mib(pids: Iterable[int]) -> float:
    """Sum of the proportional set sizes in MiB; processes that are gone, or not ours to see, count nothing.

    Shared pages are split between the processes that share them, so the sum counts each page once.
    """
    total_kib = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Pss:"):
                total_kib += int(line.split()[1])
    return total_kib / 1024


def peak_rss_mib() -> float:
    """Peak resident size of this process in MiB: as `pss_mib`, but pages shared with others count in full."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
