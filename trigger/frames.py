"""The frame-packed stream, the one shape of L0 primitives and detector hits.

A detector's stream is CSR by frame: `words[offsets[f]:offsets[f + 1]]` are the words of frame
`first_frame + f`. A word is `(id16 << 16) | time16`, `time16` in LSB since the frame began. Inside a frame
words are sorted by `time16`; equal times keep their order of arrival, because in the L0 processor the last
writer wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_BITS
from trigger.errors import KtrigError

Words = NDArray[np.uint32]
Offsets = NDArray[np.int64]

ID_SHIFT: Final = 16
TIME_MASK: Final = 0xFFFF


class FrameError(KtrigError):
    """A stream that breaks the rules of the frame-packed form."""


@dataclass(frozen=True)
class FrameStream:
    """One detector's words in the frames `first_frame ... first_frame + n_frames - 1`.

    offsets: int64[n_frames + 1], starting at 0. words: uint32[offsets[-1]].
    """

    first_frame: int
    offsets: Offsets
    words: Words

    @property
    def n_frames(self) -> int:
        """Number of frames covered, empty ones included."""
        return len(self.offsets) - 1

    @property
    def stop_frame(self) -> int:
        """The first frame after the stream."""
        return self.first_frame + self.n_frames

    @classmethod
    def empty(cls, first_frame: int, n_frames: int) -> FrameStream:
        """Make a stream of `n_frames` frames without words."""
        return cls(first_frame, np.zeros(n_frames + 1, np.int64), np.zeros(0, np.uint32))

    @classmethod
    def pack(
        cls, times_lsb: NDArray[np.int64], ids: NDArray[np.uint16], first_frame: int, n_frames: int
    ) -> FrameStream:
        """Sort times (int64[n], LSB since SOB, any order) and IDs (uint16[n]) into frames.

        Raises FrameError if a time lies outside the frames.
        """
        frames = times_lsb >> FRAME_BITS
        outside = (frames < first_frame) | (frames >= first_frame + n_frames)
        if outside.any():
            worst = int(times_lsb[outside][0])
            raise FrameError(
                f"time {worst} LSB (frame {worst >> FRAME_BITS}) lies outside frames "
                f"{first_frame} to {first_frame + n_frames - 1}"
            )
        order = np.argsort(times_lsb, kind="stable")
        words = ids[order].astype(np.uint32) << np.uint32(ID_SHIFT)
        words |= (times_lsb[order] & TIME_MASK).astype(np.uint32)
        offsets = np.zeros(n_frames + 1, np.int64)
        np.cumsum(np.bincount(frames - first_frame, minlength=n_frames), out=offsets[1:])
        return cls(first_frame, offsets, words)

    def times_lsb(self) -> NDArray[np.int64]:
        """Time of each word in LSB since SOB: int64[n]."""
        frames = np.repeat(np.arange(self.first_frame, self.stop_frame), np.diff(self.offsets))
        return (frames << FRAME_BITS) + (self.words & np.uint32(TIME_MASK))

    def ids(self) -> NDArray[np.uint16]:
        """The 16-bit ID of each word: uint16[n]."""
        return (self.words >> np.uint32(ID_SHIFT)).astype(np.uint16)

    def cut(self, first_frame: int, stop_frame: int) -> FrameStream:
        """Return the frames of a half-open range inside this stream; the words are shared, not copied."""
        if not self.first_frame <= first_frame <= stop_frame <= self.stop_frame:
            raise FrameError(
                f"frames {first_frame} to {stop_frame} are not inside {self.first_frame} to {self.stop_frame}"
            )
        offsets = self.offsets[first_frame - self.first_frame : stop_frame - self.first_frame + 1]
        return FrameStream(first_frame, offsets - offsets[0], self.words[offsets[0] : offsets[-1]])

    def check(self) -> None:
        """Raise FrameError unless the offsets fit the words and each frame is sorted by time."""
        if len(self.offsets) < 1 or self.offsets[0] != 0 or self.offsets[-1] != len(self.words):
            raise FrameError(f"offsets do not run from 0 to the number of words ({len(self.words)})")
        falls = np.flatnonzero(np.diff(self.offsets) < 0)
        if falls.size:
            raise FrameError(f"frame {self.first_frame + int(falls[0])}: offsets fall")
        unsorted = np.flatnonzero(np.diff(self.times_lsb()) < 0)
        if unsorted.size:
            where = int(np.searchsorted(self.offsets, unsorted[0] + 1, side="right")) - 1
            raise FrameError(f"frame {self.first_frame + where}: words are not sorted by time")


def join(streams: Sequence[FrameStream]) -> FrameStream:
    """Join streams of consecutive frames into one. Raises FrameError if they leave a gap or overlap."""
    for left, right in pairwise(streams):
        if left.stop_frame != right.first_frame:
            raise FrameError(f"frame {right.first_frame} does not follow frame {left.stop_frame - 1}")
    lengths = np.cumsum([0] + [len(s.words) for s in streams])
    offsets = [s.offsets[1:] + base for s, base in zip(streams, lengths[:-1], strict=True)]
    return FrameStream(
        streams[0].first_frame,
        np.concatenate([np.zeros(1, np.int64), *offsets]),
        np.concatenate([s.words for s in streams]),
    )


@dataclass(frozen=True)
class Block:
    """A run of whole frames of several detectors: the unit that travels.

    streams: detector name -> FrameStream, all over the same frames.
    """

    first_frame: int
    n_frames: int
    streams: Mapping[str, FrameStream]

    @property
    def stop_frame(self) -> int:
        """The first frame after the block."""
        return self.first_frame + self.n_frames

    def span(self) -> tuple[int, int] | None:
        """Return the first and last frame with words of any detector, None if there are none."""
        firsts, lasts = [], []
        for stream in self.streams.values():
            if len(stream.words):
                firsts.append(int(np.searchsorted(stream.offsets, 0, side="right")) - 1)
                lasts.append(int(np.searchsorted(stream.offsets, len(stream.words), side="left")) - 1)
        if not firsts:
            return None
        return self.first_frame + min(firsts), self.first_frame + max(lasts)

    def cut(self, first_frame: int, stop_frame: int) -> Block:
        """Return the frames of a half-open range inside this block; the words are shared, not copied."""
        streams = {name: stream.cut(first_frame, stop_frame) for name, stream in self.streams.items()}
        return Block(first_frame, stop_frame - first_frame, streams)


BLOCK_FRAMES: Final = 1024
"""Frames in a block unless asked otherwise: 6.54 ms."""
