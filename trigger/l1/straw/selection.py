"""Selection: of points close to each other, in chambers that have many, the better ones stay."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from trigger.jit import inline, kernel
from trigger.l1.straw.geometry import CHAMBERS
from trigger.l1.straw.points import MAX_POINTS, POINTS_T, Points, make_points

LEAST: Final = 7
"""Chambers with fewer points are left as they are."""

NEAR_MM: Final = 4.0
BETTER_MM: Final = 1.0
POOR_MM: Final = 3.0
MAX_SELECTED: Final = 2000
"""Points that a pass may leave in a chamber; with as many, the event is accepted."""

_FIRST, _SECOND = 0, MAX_POINTS
"""Where the lists before the first and before the second pass are in the scratch."""


def make_copies() -> Points:
    """Return the scratch of the selection: one chamber's points before either pass."""
    return make_points(2 * MAX_POINTS)


@inline
def _copy(source: Any, i: int, target: Any, k: int) -> None:
    target.x[k], target.y[k] = source.x[i], source.y[i]
    target.distance[k], target.views[k] = source.distance[i], source.views[i]


@inline
def _one_pass(
    copies: Any, begin: int, n: int, along_y: bool, before: int, used: Any, points: Any, chamber: int
) -> bool:
    """Write what a pass over `n` points in the scratch leaves; False if that is too much.

    before: the list in which the experiment's code looks up whether the rival of a better point is poor; in the
    second pass it still is that before the first one.
    """
    for j in range(n):
        used[j] = 0
    kept = 0
    for j in range(n):
        if used[j]:
            continue
        best = j
        if copies.views[begin + j] != 2:
            at = copies.y[begin + j] if along_y else copies.x[begin + j]
            for k in range(j + 1, n):
                here = copies.y[begin + k] if along_y else copies.x[begin + k]
                if (
                    used[k]
                    or copies.views[begin + k] != copies.views[begin + j]
                    or not np.abs(at - here) < NEAR_MM
                ):
                    continue
                gain = copies.distance[begin + best] - copies.distance[begin + k]
                if gain > BETTER_MM and copies.distance[begin + best] > POOR_MM:
                    best = k
                    used[k] = 1
                elif gain < -BETTER_MM and copies.distance[before + k] > POOR_MM:
                    used[k] = 1
        _copy(copies, begin + best, points, chamber * MAX_POINTS + kept)
        kept += 1
        if kept >= MAX_SELECTED:
            return False
    points.n[chamber] = kept
    return True


@kernel(types.boolean(POINTS_T, POINTS_T, types.uint8[::1]))
def select_points(points: Any, copies: Any, used: Any) -> bool:
    """Keep the better of points close in y, then in x; False if a pass leaves too many."""
    for chamber in range(CHAMBERS):
        n = points.n[chamber]
        if n < LEAST:
            continue
        for i in range(n):
            _copy(points, chamber * MAX_POINTS + i, copies, _FIRST + i)
        if not _one_pass(copies, _FIRST, n, True, _FIRST, used, points, chamber):
            return False
        n = points.n[chamber]
        for i in range(n):
            _copy(points, chamber * MAX_POINTS + i, copies, _SECOND + i)
        if not _one_pass(copies, _SECOND, n, False, _FIRST, used, points, chamber):
            return False
    return True
