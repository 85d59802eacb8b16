"""Where the downscaling counters of a spill begin: an explicit input, so that a replay can be repeated exactly.

continue: where those of the spill before ended, as in the experiment; the first spill begins at the counters that the
caller gives, else at 0. reset: at 0. hash: at a value that depends on run, burst and line only, so that spills are
independent of each other and lines with a large downscaling still fire in short spills.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streams.stages.request import Downscaling
from trigger.l0.registers import N_ROWS
from trigger.menu import Menu


def start_counters(
    how: Downscaling, menu: Menu, run: int, burst: int, before: Mapping[str, int]
) -> NDArray[np.int64]:
    """Return the counters at the start of a spill: int64[17]. before: by line, where the spill before ended."""
    counters = np.zeros(N_ROWS, np.int64)
    for row, line in menu.rows:
        if how == "continue":
            counters[row] = before.get(line.name, 0) % line.downscaling
        elif how == "hash":
            counters[row] = _hashed(run, burst, line.name, line.downscaling)
    return counters


def by_line(menu: Menu, counters: NDArray[np.int64]) -> dict[str, int]:
    """Return counters by the names of the lines."""
    return {line.name: int(counters[row]) for row, line in menu.rows}


def _hashed(run: int, burst: int, line: str, downscaling: int) -> int:
    digest = hashlib.sha256(f"{run}/{burst}/{line}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % downscaling
