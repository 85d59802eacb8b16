"""From a detector's hits to its primitives: time order, frames, one primitive per cluster."""

from typing import Any

import numpy as np

from trigger.jit import kernel


@kernel("int64(int64[::1], int64, int64[::1], uint32[::1])")
def pack_clusters(hits: Any, window: int, offsets: Any, words: Any) -> int:
    """Sort hits (see `draw`) by time, in place, and write their clusters as frame-packed words.

    A hit joins a cluster up to `window` LSB after its first hit, in the same frame; the primitive's time is
    that of the first hit plus the mean of the differences, its ID the OR of the hits'. With `window` 0 each
    hit is a primitive. Hits outside the frames are left out: they belong to another block.

    hits: int64[n], almost in order (insertion sort, stable). offsets: int64[n_frames + 1], overwritten. words:
    uint32[n], of which the number returned is filled.
    """
    for i in range(1, len(hits)):
        hit = hits[i]
        j = i - 1
        while j >= 0 and (hits[j] >> 16) > (hit >> 16):
            hits[j + 1] = hits[j]
            j -= 1
        hits[j + 1] = hit

    n_frames, n_words, i = len(offsets) - 1, 0, 0
    while i < len(hits) and hits[i] < 0:
        i += 1
    for frame in range(n_frames):
        offsets[frame] = n_words
        stop = np.int64(frame + 1) << 16
        while i < len(hits) and (hits[i] >> 16) < stop:
            first = hits[i] >> 16
            identity = hits[i] & 0xFFFF
            late, members = np.int64(0), 1
            i += 1
            while window > 0 and i < len(hits) and (hits[i] >> 16) < min(stop, first + window + 1):
                late += (hits[i] >> 16) - first
                identity |= hits[i] & 0xFFFF
                members += 1
                i += 1
            time = (first + late // members) & 0xFFFF
            words[n_words] = np.uint32((identity << 16) | time)
            n_words += 1
    offsets[n_frames] = n_words
    return n_words
