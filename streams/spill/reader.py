"""Reading a spill file by blocks, into buffers that are used again and again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from streams.regular import not_regular
from streams.spill import layout
from streams.spill.column import Buffer, Column, detector_names, hdf5_errors, open_group
from streams.spill.layout import SpillError, SpillHeader
from trigger import order
from trigger.clock import FRAME_BITS
from trigger.frames import BLOCK_FRAMES, TIME_MASK, Block, FrameError, FrameStream


def open_file(path: Path) -> h5py.File:
    """Open an HDF5 file to read. Raises SpillError that says why it cannot be one."""
    if path == Path():
        raise SpillError("the name of the spill file is empty, or '.'; give a spill file")
    try:
        if what := not_regular(path):
            raise SpillError(f"{path}: is {what}; give a spill file")
        with path.open("rb"):
            pass
    except OSError as wrong:
        raise SpillError(f"{path}: {wrong.strerror}; give a spill file that can be read") from None
    if not h5py.is_hdf5(path):
        raise SpillError(f"{path}: is not an HDF5 file, or its beginning is damaged; give a spill file")
    try:
        # No chunk cache: a read then goes from the file to the caller's buffer at once. No lock: a writer
        # never touches a file under its final name.
        return h5py.File(path, "r", rdcc_nbytes=0, locking=False)
    except OSError as wrong:
        if "truncated file" in str(wrong):
            size = path.stat().st_size
            raise SpillError(f"{path}: is cut short ({size} bytes are left); copy it again") from None
        raise SpillError(f"{path}: is damaged ({' '.join(str(wrong).split())}); copy it again") from None


class _Detector:
    """A detector's arrays in the file, and a ring of buffers for its blocks."""

    def __init__(self, group: h5py.Group, header: SpillHeader, source: str, buffers: int | None) -> None:
        self._source = source
        self._place = group.name
        self.offsets, self.words, crc32 = (
            Column(group, name, dtype, source) for name, dtype in layout.COLUMNS.items()
        )
        self._check_length(self.offsets, header.n_frames + 1)
        self._check_length(crc32, header.n_blocks)
        ends = (self.offsets.value(0), self.offsets.value(header.n_frames))
        if ends != (0, self.words.length):
            raise SpillError(
                f"{source}: {self.offsets.place} runs from {ends[0]} to {ends[1]}, not from 0 to the "
                f"{self.words.length} words; write the file again"
            )
        self._crc32 = np.empty(header.n_blocks, np.uint32)
        crc32.read(0, self._crc32)
        self._block_frames = header.block_frames
        again = buffers is not None
        self._ring = [(Buffer(np.int64, again), Buffer(np.uint32, again)) for _ in range(buffers or 1)]

    def _check_length(self, column: Column, wanted: int) -> None:
        if column.length != wanted:
            raise SpillError(
                f"{self._source}: {column.place} has {column.length} elements, not {wanted} as the header "
                "says; write the file again"
            )

    def load(self, slot: int, first_frame: int, n_frames: int, check_crc: bool) -> FrameStream:
        """Read whole blocks of the checksum grid into the buffers `slot`; the offsets are counted from 0."""
        offset_buffer, word_buffer = self._ring[slot]
        offsets = offset_buffer.of(n_frames + 1)
        self.offsets.read(first_frame, offsets)
        first, stop = int(offsets[0]), int(offsets[-1])
        if not 0 <= first <= stop <= self.words.length:
            raise SpillError(
                f"{self._source}: {self.offsets.place}: frames {first_frame} to {first_frame + n_frames - 1} "
                f"hold words {first} to {stop} of {self.words.length}; copy the file again"
            )
        words = word_buffer.of(stop - first)
        self.words.read(first, words)
        offsets -= first
        stream = FrameStream(first_frame, offsets, words)
        if check_crc:
            self._check_crc(stream)
        try:
            order.check(stream)
        except FrameError as wrong:
            raise SpillError(f"{self._source}: {self._place}: {wrong}; write the file again") from None
        return stream

    def _check_crc(self, stream: FrameStream) -> None:
        """Comes before the check of the order: offsets that a flipped bit made fall only cut wrong words."""
        for start in range(0, stream.n_frames, self._block_frames):
            offsets = stream.offsets[start : start + self._block_frames + 1]
            block = (stream.first_frame + start) // self._block_frames
            words = stream.words[offsets[0] : offsets[-1]]
            if layout.block_crc32(words, offsets - offsets[0]) != self._crc32[block]:
                raise SpillError(
                    f"{self._source}: {self._place}: block {block} (from frame "
                    f"{stream.first_frame + start}) does not agree with its checksum; copy the file again"
                )


class SpillReader:
    """An open spill file: a context manager.

    Opening checks the header and that the arrays fit it and the file; reading checks each block: its offsets,
    its order in time and (`check_crc`) its checksum. Everything wrong is a SpillError. `buffers` (at least 1)
    is the length of the ring of blocks, see `read_block`; with None each block has memory of its own.
    """

    def __init__(self, path: str | Path, *, check_crc: bool = True, buffers: int | None = 2) -> None:
        if buffers is not None and buffers < 1:
            raise ValueError(f"buffers is {buffers}; a reader needs at least 1")
        self.path = Path(path)
        self._check_crc = check_crc
        self._buffers = buffers
        self._next_slot = 0
        self._loaded: Block | None = None
        self._file = open_file(self.path)
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> None:
        source = str(self.path)
        with hdf5_errors(source, "header"):
            attributes = dict(self._file.attrs)
        self.header = SpillHeader.from_attributes(attributes, source)
        group = open_group(self._file, layout.PRIMITIVES, source)
        names = detector_names(group, source)
        self._detectors = {
            name: _Detector(open_group(group, name, source), self.header, source, self._buffers)
            for name in names
        }

    @property
    def detectors(self) -> list[str]:
        """Names of the detectors, in the order of the file."""
        return list(self._detectors)

    @property
    def primitives_per_detector(self) -> dict[str, int]:
        """Number of primitives of each detector."""
        return {name: detector.words.length for name, detector in self._detectors.items()}

    def time_span(self, detector: str) -> tuple[int, int] | None:
        """Times of the first and last primitive in LSB since SOB, or None if there is none.

        Reads some forty numbers, however long the spill is.
        """
        column = self._detectors[detector]
        n = column.words.length
        if n == 0:
            return None
        stops = _Stops(column.offsets)
        times = []
        for index, frame in ((0, bisect_right(stops, 0)), (n - 1, bisect_left(stops, n))):
            times.append((frame << FRAME_BITS) + (column.words.value(index) & TIME_MASK))
        return times[0], times[1]

    def read_block(self, first_frame: int, n_frames: int) -> Block:
        """Read a run of frames of all detectors.

        The arrays of the block are this reader's buffers: they are valid until `buffers` further reads, and
        must not be written to. A run that is not made of whole blocks of the checksum grid is cut from one
        that is, so that what is returned has always been checked; many short runs in order cost little.
        """
        stop_frame = first_frame + n_frames
        if not 0 <= first_frame <= stop_frame <= self.header.n_frames:
            raise SpillError(
                f"{self.path}: frames {first_frame} to {stop_frame - 1} are not inside the spill's "
                f"{self.header.n_frames} frames"
            )
        grid = self.header.block_frames
        start = first_frame - first_frame % grid
        stop = min(-(-stop_frame // grid) * grid, self.header.n_frames)
        block = self._load(start, stop)
        if (start, stop) == (first_frame, stop_frame):
            return block
        return block.cut(first_frame, stop_frame)

    def _load(self, first_frame: int, stop_frame: int) -> Block:
        last = self._loaded
        if last is not None and (last.first_frame, last.stop_frame) == (first_frame, stop_frame):
            return last
        slot = self._next_slot
        self._next_slot = (slot + 1) % (self._buffers or 1)
        self._loaded = None
        streams = {}
        for name, detector in self._detectors.items():
            streams[name] = detector.load(slot, first_frame, stop_frame - first_frame, self._check_crc)
        self._loaded = Block(first_frame, stop_frame - first_frame, streams)
        return self._loaded

    def blocks(self, n_frames: int = BLOCK_FRAMES) -> Iterator[Block]:
        """Yield the spill in blocks of `n_frames`, the last one shorter; buffers as in `read_block`."""
        for first in range(0, self.header.n_frames, n_frames):
            yield self.read_block(first, min(n_frames, self.header.n_frames - first))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> SpillReader:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class _Stops:
    """`offsets[1:]` of a file as a sequence for bisect: element f is the number of words up to frame f."""

    def __init__(self, offsets: Column) -> None:
        self._offsets = offsets

    def __len__(self) -> int:
        return self._offsets.length - 1

    def __getitem__(self, frame: int) -> int:
        return self._offsets.value(frame + 1)
