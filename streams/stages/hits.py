"""The hits of spill files, for who builds events: read once each, block by block, as the events come."""

from __future__ import annotations

from collections import OrderedDict
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.spill.reader import SpillReader
from trigger.clock import FRAME_BITS
from trigger.frames import FrameStream, join
from trigger.l1.events import DETECTORS, Events, Windows, build_events, lsb_of

KEPT_BLOCKS: Final = 2
"""Blocks of a detector that are kept: events at the end of one reach into the next."""


class HitFile:
    """The hits of one spill file: a context manager.

    A trigger that the file has no hits for, or any in a file without hits, is marked as not read out. The hits of
    events are valid until the next but one are built.
    """

    def __init__(self, path: Path) -> None:
        self._reader = SpillReader(path)
        self._optional = self._reader.optional
        self._grid = self._reader.header.block_frames
        self._n_frames = self._reader.header.n_frames
        readout = self._optional.readout
        self.windows: Windows = readout.windows if readout else {}
        self._names: list[str] = [
            name for name in DETECTORS if name in self._optional.hits and name in self.windows
        ]
        edges = [lsb_of(self.windows[name]) for name in self._names] or [(0, 0)]
        self._span_lsb = min(begin for begin, _ in edges), max(end for _, end in edges)
        self._kept: dict[str, OrderedDict[int, FrameStream]] = {name: OrderedDict() for name in self._names}
        # Memory that is used again: new pages for each block would cost a quarter of the time of reading it.
        self._buffers = {
            name: cycle([self._optional.hits[name].arrays.buffers() for _ in range(KEPT_BLOCKS + 1)])
            for name in self._names
        }

    def _range(self, times_lsb: NDArray[np.int64]) -> tuple[int, int]:
        """Return the first frame in which events at sorted times can have hits, and the first behind them."""
        first = max(int(times_lsb[0]) + self._span_lsb[0], 0) >> FRAME_BITS
        return first, min((int(times_lsb[-1]) + self._span_lsb[1] >> FRAME_BITS) + 1, self._n_frames)

    def read(self, times_lsb: NDArray[np.int64]) -> None:
        """Read what `events` needs for triggers at these times."""
        for name in self._names:
            self._frames(name, *self._range(times_lsb))

    def events(self, times_lsb: NDArray[np.int64]) -> Events:
        """Build the events of triggers at sorted times (int64[n], at least one)."""
        first, stop = self._range(times_lsb)
        streams = {name: self._frames(name, first, stop) for name in self._names}
        return build_events(
            times_lsb, streams, self.windows, self._n_frames, self._read_out(times_lsb, first, stop)
        )

    def _read_out(self, times_lsb: NDArray[np.int64], first: int, stop: int) -> NDArray[np.bool_]:
        if not self._names or "readout" not in self._optional.records:
            return np.zeros(len(times_lsb), bool)
        known = self._optional.read_records("readout", first, stop - first).times_lsb()
        at = np.searchsorted(known, times_lsb)
        return np.asarray(np.append(known, -1)[at] == times_lsb)

    def _frames(self, name: str, first: int, stop: int) -> FrameStream:
        """Return a detector's hits in a run of frames, or a little more: whole blocks of the file."""
        blocks = [self._block(name, k) for k in range(first // self._grid, -(-stop // self._grid))]
        # Most events lie in one block: joining copies.
        return blocks[0] if len(blocks) == 1 else join(blocks)

    def _block(self, name: str, number: int) -> FrameStream:
        kept = self._kept[name]
        if number not in kept:
            first = number * self._grid
            n_frames = min(self._grid, self._n_frames - first)
            read = self._optional.hits[name].read(first, n_frames, next(self._buffers[name]))
            kept[number] = FrameStream(first, *read)
            while len(kept) > KEPT_BLOCKS:
                kept.popitem(last=False)
        return kept[number]

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> HitFile:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
