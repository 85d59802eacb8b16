"""Copies of the hits of chosen events, each event with its own: what leaves the block that they came from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.frames import ID_SHIFT
from trigger.jit import kernel
from trigger.l1.events import DetectorHits
from trigger.l1.window import since_lsb


@kernel(
    types.void(
        types.uint32[::1],
        types.int64[::1],
        types.int64[::1],
        types.int64[::1],
        types.uint8[::1],
        types.int64[::1],
        types.int16[::1],
        types.uint16[::1],
    )
)
def _copy(
    words: Any, begin: Any, end: Any, times_lsb: Any, wanted: Any, first: Any, since: Any, identity: Any
) -> None:
    n = 0
    for e in range(len(times_lsb)):
        first[e] = n
        if wanted[e]:
            for i in range(begin[e], end[e]):
                word = int(words[i])
                since[n], identity[n] = since_lsb(word, times_lsb[e]), word >> ID_SHIFT
                n += 1
    first[len(times_lsb)] = n


def gather_hits(
    hits: DetectorHits, times_lsb: NDArray[np.int64], wanted: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.uint16]]:
    """Copy the hits of the events that are wanted (uint8[n], not 0).

    Returns first (int64[n + 1]: those of event e are from first[e] to first[e + 1]), times since the trigger in LSB
    (int16) and IDs (uint16).
    """
    total = int((hits.end - hits.begin)[wanted != 0].sum())
    first = np.zeros(len(times_lsb) + 1, np.int64)
    since, identity = np.zeros(total, np.int16), np.zeros(total, np.uint16)
    _copy(hits.words, hits.begin, hits.end, times_lsb, wanted, first, since, identity)
    return first, since, identity
