"""Finding the same event among the entries of two processors, and counting what only one of them has.

Entries are given by a time that rises strictly in each list. Two are the same event if they are less than a
window apart and neither has a nearer neighbour in the other list; with slots as times and a window of 1 that means
the same slot.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import inline, kernel
from trigger.l0.registers import N_ROWS

NOBODY: Final = -1
"""In place of a partner: there is none."""

N_PATTERNS: Final = 1 << N_ROWS
"""Sets of rows: bit i for row i."""


@inline
def next_tagged(i: int, tags: Any, tag: Any) -> int:
    """Return the first place from i on with the tag, or the length of the list."""
    while i < len(tags) and not tags[i] & tag:
        i += 1
    return i


@kernel(
    "void(int64[::1], uint8[::1], int64[::1], uint8[::1], uint8, int64, int64, int64[::1], int32[::1], int32[::1])"
)
def match_entries(
    time_a: Any, tags_a: Any, time_b: Any, tags_b: Any, tag: Any, window: int, stop: int,
    begin: Any, partner_a: Any, partner_b: Any,
) -> None:  # fmt: skip
    """Match the entries with `tag` of two lists, from places begin[0] and begin[1] on.

    time: int64[n], rising strictly. tags: uint8[n]. stop: entries that are still to come are from this time on;
    what they could change is left for later. begin: int64[2], moved to the first places that are not settled.
    partner: int32[n], set for the settled entries with the tag to the place of the partner or NOBODY.
    """
    i, j = next_tagged(begin[0], tags_a, tag), next_tagged(begin[1], tags_b, tag)
    n_a, n_b = len(time_a), len(time_b)
    while i < n_a or j < n_b:
        if j == n_b or (i < n_a and time_b[j] - time_a[i] >= window):
            if j == n_b and time_a[i] + window > stop:
                break
            partner_a[i] = NOBODY
            i = next_tagged(i + 1, tags_a, tag)
            continue
        if i == n_a or time_a[i] - time_b[j] >= window:
            if i == n_a and time_b[j] + window > stop:
                break
            partner_b[j] = NOBODY
            j = next_tagged(j + 1, tags_b, tag)
            continue
        if max(time_a[i], time_b[j]) + window > stop:
            break
        apart = time_b[j] - time_a[i]
        if apart > 0:
            k = next_tagged(i + 1, tags_a, tag)
            if k < n_a and abs(time_b[j] - time_a[k]) < apart:
                partner_a[i] = NOBODY
                i = k
                continue
        elif apart < 0:
            k = next_tagged(j + 1, tags_b, tag)
            if k < n_b and abs(time_b[k] - time_a[i]) < -apart:
                partner_b[j] = NOBODY
                j = k
                continue
        partner_a[i] = j
        partner_b[j] = i
        i, j = next_tagged(i + 1, tags_a, tag), next_tagged(j + 1, tags_b, tag)
    begin[0] = i
    begin[1] = j


@kernel(
    "int64(int64, int64, uint8[::1], uint8, uint32, uint32[::1], uint32[::1], int32[::1], "
    "int64[::1], int64[::1], int32[::1])"
)
def split_events(
    begin: int, end: int, tags: Any, tag: Any, rows: Any, own: Any, others: Any, partner: Any,
    common: Any, only: Any, alone: Any,
) -> int:  # fmt: skip
    """Count the rows that fire in the settled entries begin...end - 1 with `tag`: in both lists, and in this alone.

    own, others: uint32[n], the rows of each entry of this list and of the other, as bits that mean the same line
    in both; those outside `rows` do not count. common, only: int64[N_PATTERNS], histograms of the sets of rows,
    advanced.
    alone: int32[n], filled with the places of entries with a row of their own; returns their number.
    """
    found = 0
    for i in range(begin, end):
        if not tags[i] & tag:
            continue
        mine = own[i] & rows
        theirs = others[partner[i]] if partner[i] >= 0 else np.uint32(0)
        common[mine & theirs] += 1
        rest = mine & ~theirs
        only[rest] += 1
        alone[found] = i
        found += rest != 0
    return found


@kernel("void(uint32[::1], int64[::1])")
def count_patterns(patterns: Any, counts: Any) -> None:
    """Advance a histogram of sets of rows, int64[N_PATTERNS]."""
    for i in range(len(patterns)):
        counts[patterns[i]] += 1
