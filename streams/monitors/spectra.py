"""The spectra of all searches: integer histograms, one behind the other, that add up."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import kernel
from trigger.searches.catalogue import SEARCHES

Counts = NDArray[np.int64]

_FIRST: Final = np.cumsum([0, *(search.axis.bins + 2 for search in SEARCHES)])
"""Where the spectrum of each search begins, with a bin below and one above its axis."""

_LOW: Final = np.array([search.axis.low for search in SEARCHES])
_PER_BIN: Final = np.array([1.0 / search.axis.width for search in SEARCHES])


def empty() -> Counts:
    """Return spectra without entries: int64[all bins], the sum of two is that of the entries of both."""
    return np.zeros(_FIRST[-1], np.int64)


def spectrum(counts: Counts, number: int) -> Counts:
    """Return the spectrum of one search: int64[bins + 2], its first and last what is below and above the axis."""
    return counts[_FIRST[number] : _FIRST[number + 1]]


@kernel(
    types.void(
        types.uint8[::1],
        types.float32[::1],
        types.boolean[::1],
        types.int64[::1],
        types.float64[::1],
        types.float64[::1],
        types.int64[::1],
    )
)
def _fill(search: Any, value: Any, active: Any, first: Any, low: Any, per_bin: Any, counts: Any) -> None:
    for i in range(len(search)):
        s = search[i]
        if s < len(active) and active[s] and value[i] == value[i]:
            bins = first[s + 1] - first[s] - 2
            at = (value[i] - low[s]) * per_bin[s]
            counts[first[s] + int(min(max(np.floor(at), -1.0), float(bins))) + 1] += 1


def fill(
    counts: Counts, search: NDArray[np.uint8], value: NDArray[np.float32], active: NDArray[np.bool_]
) -> None:
    """Add entries (uint8[n], float32[n]) of the searches that are active (bool[n searches])."""
    _fill(search, value, active, _FIRST, _LOW, _PER_BIN, counts)
