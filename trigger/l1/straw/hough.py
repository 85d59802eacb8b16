"""The Hough transform in the y-z plane: points on a line share a cell of slope and intercept.

The experiment fills a table of 160 slopes by 200 intercepts. Here a row of it, one slope, is filled only if two
points of different chambers can share a cell of it, or of a row beside it; three rows are kept.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import ByteMatrix, WholeMatrix, inline, kernel, named
from trigger.l1.straw.geometry import CHAMBERS, ZETA_MM
from trigger.l1.straw.points import MAX_POINTS, POINTS_T

SLOPES: Final = 160
SLOPE_STEP: Final = 0.0004
SLOPE_CENTRE: Final = 80.05
BINS: Final = 200
BIN_MM: Final = 15.0
RANGE_MM: Final = 3000.0
CELL_ENTRIES: Final = 6
"""Entries that a cell holds; more are left out."""

WRAP: Final = 256
"""A cell keeps the number of a point modulo this."""

FEW: Final = 24
"""With more points than this, all rows are made."""

_ZETA: Final = np.array(ZETA_MM)


class Rows(NamedTuple):
    """Rows of the table: those of slope a - 1, a and a + 1, at place a % 3.

    n: entries of each cell, uint8[3, 200]. entry: chamber << 16 | point, int64[3, 200 x 6]. seeds: bins with entries
    of two chambers, rising, int64[3, 200]; n_seeds, slope: int64[3]. wanted: of each slope, 1 if it can hold a seed,
    uint8[160].
    """

    n: ByteMatrix
    entry: WholeMatrix
    seeds: WholeMatrix
    n_seeds: NDArray[np.int64]
    slope: NDArray[np.int64]
    wanted: NDArray[np.uint8]


ROWS_T: Final = named(Rows)


def make_rows() -> Rows:
    """Return empty rows."""
    return Rows(
        np.zeros((3, BINS), np.uint8),
        np.zeros((3, BINS * CELL_ENTRIES), np.int64),
        np.zeros((3, BINS), np.int64),
        np.zeros(3, np.int64),
        np.full(3, -1, np.int64),
        np.zeros(SLOPES, np.uint8),
    )


@inline
def slope_of(a: int) -> float:
    """Return the slope of a row."""
    return (a - SLOPE_CENTRE) * SLOPE_STEP


@inline
def intercept_mm(b: int) -> float:
    """Return the intercept of a bin: its lower edge."""
    return BIN_MM * b - RANGE_MM / 2.0


@kernel(types.void(POINTS_T, ROWS_T))
def want_rows(points: Any, rows: Any) -> None:
    """Mark the slopes at which two points of different chambers can share a bin, or one more on either side."""
    total = 0
    for chamber in range(CHAMBERS):
        total += points.n[chamber]
    every = total > FEW
    for a in range(SLOPES):
        rows.wanted[a] = every
    if every:
        return
    for c in range(CHAMBERS):
        for d in range(c + 1, CHAMBERS):
            distance = _ZETA[d] - _ZETA[c]
            for i in range(points.n[c]):
                for j in range(points.n[d]):
                    rise = points.y[d * MAX_POINTS + j] - points.y[c * MAX_POINTS + i]
                    low = (rise - BIN_MM) / distance / SLOPE_STEP + SLOPE_CENTRE
                    high = (rise + BIN_MM) / distance / SLOPE_STEP + SLOPE_CENTRE
                    for a in range(max(int(low) - 1, 0), min(int(high) + 2, SLOPES)):
                        rows.wanted[a] = 1


@inline
def chamber_of(entry: int) -> int:
    """Return the chamber of an entry."""
    return entry >> 16


@inline
def point_of(entry: int) -> int:
    """Return the number of an entry's point, as a cell keeps it."""
    return entry & 0xFFFF


@inline
def _note_seed(rows: Any, place: int, b: int) -> None:
    """Insert a bin in the rising list of seeds."""
    k = rows.n_seeds[place]
    rows.n_seeds[place] = k + 1
    while k > 0 and rows.seeds[place, k - 1] > b:
        rows.seeds[place, k] = rows.seeds[place, k - 1]
        k -= 1
    rows.seeds[place, k] = b


@kernel(types.int64(types.float64[::1], types.int64[::1], types.int64, ROWS_T))
def make_row(y: Any, n_points: Any, a: int, rows: Any) -> int:
    """Fill the row of a slope, unless it is there; return its place. Bin 0 is never filled.

    y, n_points: of Points; a call that passes all of their arrays costs as much as the row.
    """
    place = a % 3
    if rows.slope[place] == a:
        return place
    rows.slope[place], rows.n_seeds[place] = a, 0
    for b in range(BINS):
        rows.n[place, b] = 0
    slope = slope_of(a)
    for chamber in range(CHAMBERS):
        for i in range(n_points[chamber]):
            q = y[chamber * MAX_POINTS + i] - slope * _ZETA[chamber]
            b = int(q * BINS / RANGE_MM + BINS / 2)
            if b < 1 or b >= BINS:
                continue
            n = int(rows.n[place, b])
            if n >= CELL_ENTRIES:
                continue
            first = b * CELL_ENTRIES
            # Entries come by chamber: the first that differs from those before makes the cell a seed.
            if (
                n
                and chamber_of(rows.entry[place, first])
                == chamber_of(rows.entry[place, first + n - 1])
                != chamber
            ):
                _note_seed(rows, place, b)
            rows.entry[place, first + n] = chamber << 16 | i & WRAP - 1
            rows.n[place, b] = n + 1
    return place
