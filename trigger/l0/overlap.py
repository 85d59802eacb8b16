"""What a histogram of the sets of rows that fire together says of each row, and of each pair.

counts: int64[N_PATTERNS], the number of entries with each set of rows (bit i for row i), see `matching`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trigger.l0.registers import N_ROWS

Counts = NDArray[np.int64]


def overlap_matrix(counts: Counts) -> Counts:
    """Return the number of entries in which rows i and j both fire: int64[17, 17], symmetric."""
    patterns = np.flatnonzero(counts)
    bits = patterns[:, None] >> np.arange(N_ROWS) & 1
    return np.asarray(bits.T @ (bits * counts[patterns, None]), np.int64)


def row_counts(counts: Counts) -> Counts:
    """Return the number of entries in which each row fires: int64[17]."""
    return overlap_matrix(counts).diagonal().copy()


def pure_counts(counts: Counts) -> Counts:
    """Return the number of entries in which a row fires alone: int64[17]."""
    return np.take(counts, 1 << np.arange(N_ROWS))
