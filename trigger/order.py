"""A fast answer to one question: is a frame-packed stream well formed?"""

from typing import Any

import numpy as np

from trigger.frames import TIME_MASK, FrameStream
from trigger.jit import kernel

_TIME = np.uint32(TIME_MASK)


@kernel("boolean(Array(int64, 1, 'C', readonly=True), Array(uint32, 1, 'C', readonly=True))")
def well_formed(offsets: Any, words: Any) -> bool:
    """Whether the offsets run from 0 to the number of words without falling and each frame is sorted by time.

    offsets: int64[n_frames + 1]. words: uint32[n]. The falls of the time are counted over all words in a
    loop without branches, which the compiler vectorises; then those at the first word of a frame, which
    are allowed, are taken off.
    """
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(words):
        return False
    for i in range(1, len(offsets)):
        if offsets[i] < offsets[i - 1]:
            return False
    falls = 0
    for i in range(1, len(words)):
        falls += (words[i] & _TIME) < (words[i - 1] & _TIME)
    for i in range(1, len(offsets) - 1):
        k = offsets[i]
        if 0 < k < offsets[i + 1]:
            falls -= (words[k] & _TIME) < (words[k - 1] & _TIME)
    return falls == 0


def check(stream: FrameStream) -> None:
    """Raise FrameError unless the stream is well formed: `FrameStream.check`, at the speed of a spill."""
    if not well_formed(stream.offsets, stream.words):
        stream.check()
