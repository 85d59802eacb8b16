"""The hits and records of spill files, for who builds events: read once each, block by block, as the events come."""

from __future__ import annotations

from collections import OrderedDict
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.spill.layout import RECORD_WINDOWS
from streams.spill.optional import CheckedStream
from streams.spill.reader import SpillReader
from trigger.clock import FRAME_BITS
from trigger.frames import FrameStream, Offsets
from trigger.l1.events import DETECTORS, Events, Windows, build_events, lsb_of
from trigger.records import KINDS, RecordStream

KEPT_BLOCKS: Final = 2
"""Blocks of a stream that are kept: events at the end of one reach into the next."""

READOUT: Final = "readout"

Run = tuple[int, Offsets, NDArray[Any]]
"""A run of frames: its first one, offsets from 0, values."""


class KeptBlocks:
    """A stream of words or records of a file, the last blocks of which are kept."""

    def __init__(self, stream: CheckedStream, grid: int, n_frames: int) -> None:
        self._stream, self._grid, self._n_frames = stream, grid, n_frames
        self._kept: OrderedDict[int, tuple[Offsets, NDArray[Any]]] = OrderedDict()
        # What was asked for last is asked for again: to read it, then to build events of it.
        self._joined: tuple[range, Run] | None = None
        # Memory that is used again: new pages for each block would cost a quarter of the time of reading it.
        self._buffers = cycle([stream.arrays.buffers() for _ in range(KEPT_BLOCKS + 1)])

    def read(self, first: int, stop: int) -> Run:
        """Return a run of frames, or a little more: whole blocks. Its first frame, offsets from 0, values."""
        numbers = range(first // self._grid, -(-stop // self._grid))
        if self._joined is None or numbers != self._joined[0]:
            self._joined = numbers, self._join(numbers)
        return self._joined[1]

    def _join(self, numbers: range) -> Run:
        if len(numbers) > KEPT_BLOCKS + 1:
            # A file of small blocks: more than there is memory for here.
            first, stop = numbers[0] * self._grid, min((numbers[-1] + 1) * self._grid, self._n_frames)
            return first, *self._stream.read(first, stop - first)
        blocks = [self._block(k) for k in numbers]
        if len(blocks) == 1:
            # Most events lie in one block: joining copies.
            return numbers[0] * self._grid, *blocks[0]
        lengths = np.cumsum([0, *(len(values) for _offsets, values in blocks)])
        offsets = [part[1:] + base for (part, _values), base in zip(blocks, lengths, strict=False)]
        return (
            numbers[0] * self._grid,
            np.concatenate([np.zeros(1, np.int64), *offsets]),
            np.concatenate([values for _offsets, values in blocks]),
        )

    def _block(self, number: int) -> tuple[Offsets, NDArray[Any]]:
        if number not in self._kept:
            first = number * self._grid
            n_frames = min(self._grid, self._n_frames - first)
            self._kept[number] = self._stream.read(first, n_frames, next(self._buffers))
            while len(self._kept) > KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return self._kept[number]


class HitFile:
    """The hits and records of one spill file: a context manager.

    A trigger that the file has no hits for, or any in a file without hits, is marked as not read out. The hits of
    events are valid until the next but one are built, and so are records.
    """

    def __init__(self, path: Path) -> None:
        self._reader = SpillReader(path)
        optional, header = self._reader.optional, self._reader.header
        self._n_frames = header.n_frames
        readout = optional.readout
        self.windows: Windows = readout.windows if readout else {}
        self._asked: NDArray[np.int64] | None = None
        self._known: tuple[NDArray[np.bool_], NDArray[np.void]] = (
            np.zeros(0, bool),
            np.zeros(0, KINDS[READOUT]),
        )
        self._names: list[str] = [
            name for name in DETECTORS if name in optional.hits and name in self.windows
        ]
        edges = [lsb_of(self.windows[name]) for name in self._names] or [(0, 0)]
        self._span_lsb = min(begin for begin, _ in edges), max(end for _, end in edges)
        streams = {f"hits/{name}": optional.hits[name] for name in self._names}
        for kind in (READOUT, *RECORD_WINDOWS):
            if kind in optional.records:
                streams[kind] = optional.records[kind]
        self._streams = {
            name: KeptBlocks(stream, header.block_frames, header.n_frames) for name, stream in streams.items()
        }

    def _range(self, times_lsb: NDArray[np.int64]) -> tuple[int, int]:
        """Return the first frame in which events at sorted times can have hits, and the first behind them."""
        first = max(int(times_lsb[0]) + self._span_lsb[0], 0) >> FRAME_BITS
        return first, min((int(times_lsb[-1]) + self._span_lsb[1] >> FRAME_BITS) + 1, self._n_frames)

    def read(self, times_lsb: NDArray[np.int64], records: bool = False) -> None:
        """Read what `events` needs for triggers at these times, and with `records` all of it."""
        for name in [*(f"hits/{name}" for name in self._names), *(RECORD_WINDOWS if records else ())]:
            if name in self._streams:
                self._streams[name].read(*self._range(times_lsb))

    def events(self, times_lsb: NDArray[np.int64]) -> Events:
        """Build the events of triggers at sorted times (int64[n], at least one)."""
        frames = self._range(times_lsb)
        streams = {name: FrameStream(*self._streams[f"hits/{name}"].read(*frames)) for name in self._names}
        read_out = self._at(times_lsb)[0] if self._names else np.zeros(len(times_lsb), bool)
        return build_events(times_lsb, streams, self.windows, self._n_frames, read_out)

    def records(self, kind: str, times_lsb: NDArray[np.int64]) -> RecordStream:
        """Return the records of a kind around triggers at sorted times (int64[n], at least one)."""
        first, stop = self._range(times_lsb)
        if kind not in self._streams:
            return RecordStream(first, np.zeros(stop - first + 1, np.int64), np.zeros(0, KINDS[kind]))
        return RecordStream(*self._streams[kind].read(first, stop))

    def gtk_hits(self, times_lsb: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the GTK hits in all stations for triggers at sorted times, -1 for one that is not read out."""
        there, records = self._at(times_lsb)
        hits = np.full(len(times_lsb), -1)
        hits[there] = records["gtk_hits"].sum(axis=1)
        return hits

    def _at(self, times_lsb: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        """Return which triggers are in the readout, and the records of those that are."""
        if self._asked is not times_lsb:
            self._asked, self._known = times_lsb, self._look_up(times_lsb)
        return self._known

    def _look_up(self, times_lsb: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        stream = self.records(READOUT, times_lsb)
        known = stream.times_lsb()
        at = np.searchsorted(known, times_lsb)
        there = np.asarray(np.append(known, -1)[at] == times_lsb)
        return there, stream.records[at[there]]

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> HitFile:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
