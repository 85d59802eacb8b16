"""Room for what the second pass finds, before it is sorted into frames."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from trigger.records import BEAM, CLUSTER, DECAY, PARTICLE, RING, Records

BEAMS, CLUSTERS, RINGS, DECAYS, PARTICLES, PASSING = range(6)
"""Counters of what was found."""


class Found(NamedTuple):
    """Room for what the second pass finds.

    l0, l1: int64[n_detectors, capacity], hits with times in LSB since the block began, and l0_n, l1_n: int64, their
    numbers. Then records, and for those that come unsorted their times: int64[capacity]. passing: int64[capacity],
    times of beam particles. n: int64[6], numbers of the kinds BEAMS to PASSING.
    """

    l0: NDArray[np.int64]
    l0_n: NDArray[np.int64]
    l1: NDArray[np.int64]
    l1_n: NDArray[np.int64]
    beam: Records
    beam_time: NDArray[np.int64]
    clusters: Records
    cluster_time: NDArray[np.int64]
    rings: Records
    ring_time: NDArray[np.int64]
    decays: Records
    decay_time: NDArray[np.int64]
    particles: Records
    passing: NDArray[np.int64]
    n: NDArray[np.int64]


_HITS, _N, _TIMES = types.int64[:, ::1], types.int64[::1], types.int64[::1]

FOUND: Final = types.NamedTuple(  # type: ignore[no-untyped-call]
    [
        _HITS,
        _N,
        _HITS,
        _N,
        from_dtype(BEAM)[::1],
        _TIMES,
        from_dtype(CLUSTER)[::1],
        _TIMES,
        from_dtype(RING)[::1],
        _TIMES,
        from_dtype(DECAY)[::1],
        _TIMES,
        from_dtype(PARTICLE)[::1],
        _TIMES,
        _N,
    ],
    Found,
)


def new_found(n_l0: int, n_l1: int, hits: int, records: int) -> Found:
    """Make room for `hits` hits of each detector and `records` records of each kind."""
    times = [np.zeros(records, np.int64) for _ in range(5)]
    return Found(
        np.empty((n_l0, hits), np.int64),
        np.zeros(n_l0, np.int64),
        np.empty((n_l1, hits), np.int64),
        np.zeros(n_l1, np.int64),
        np.zeros(records, BEAM),
        times[0],
        np.zeros(records, CLUSTER),
        times[1],
        np.zeros(records, RING),
        times[2],
        np.zeros(records, DECAY),
        times[3],
        np.zeros(8 * records, PARTICLE),
        times[4],
        np.zeros(6, np.int64),
    )
