"""Reading a spill file by blocks, into buffers that are used again and again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType

import h5py

from streams.spill import form, layout
from streams.spill.column import Column, detector_names, hdf5_errors, open_group
from streams.spill.detector import StreamArrays
from streams.spill.layout import SpillError, SpillHeader
from streams.spill.optional import OptionalParts
from streams.spill.problem import FILE, BadSpillError, refuse
from trigger.clock import FRAME_BITS
from trigger.frames import BLOCK_FRAMES, Block, FrameStream
from trigger.order import well_formed


def open_file(path: Path) -> h5py.File:
    """Open an HDF5 file to read. Raises BadSpillError that says why it cannot be one."""
    if path == Path():
        what = "the name of the spill file is empty, or '.'"
        raise BadSpillError("", form.unreadable(FILE, what, form.ANOTHER))
    refuse(str(path), form.PATH.problems(path))
    try:
        # No chunk cache: a read then goes from the file to the caller's buffer at once. No lock: a writer
        # never touches a file under its final name.
        return h5py.File(path, "r", rdcc_nbytes=0, locking=False)
    except OSError as wrong:
        what = f"is damaged ({' '.join(str(wrong).split())})"
        if "truncated file" in what:
            what = f"is cut short ({path.stat().st_size} bytes are left)"
        raise BadSpillError(str(path), form.unreadable(FILE, what, "copy it again")) from None


class _Detector:
    """A detector's arrays in the file, and a ring of buffers for its blocks."""

    def __init__(self, group: h5py.Group, header: SpillHeader, source: str, buffers: int | None) -> None:
        self._source = source
        self._place = group.name
        columns = {name: Column(group, name, dtype, source) for name, dtype in layout.COLUMNS.items()}
        self.arrays = StreamArrays(self._place, columns, source)
        refuse(source, self.arrays.length_problems(header))
        refuse(source, self.arrays.end_problems())
        self._crc32 = self.arrays.crc32.room(header.n_blocks)
        self.arrays.crc32.read(0, self._crc32)
        self._block_frames = header.block_frames
        again = buffers is not None
        self._ring = [self.arrays.buffers(again) for _ in range((buffers or 1) + 1)]
        self._n_frames = header.n_frames

    def end_time(self, frame: int, end: int, check_crc: bool) -> int:
        """Time of the first (`end` 0) or last (-1) word in LSB since SOB, which the offsets say is in `frame`.

        Its whole block is read, into buffers apart from the ring, to see that this is so.
        """
        first_frame = frame - frame % self._block_frames
        n_frames = min(self._block_frames, self._n_frames - first_frame)
        times = self.load(-1, first_frame, n_frames, check_crc).times_lsb()
        if len(times) == 0 or times[end] >> FRAME_BITS != frame:
            what = "does not hold the words that its offsets say"
            raise BadSpillError(
                self._source, form.unreadable(f"{self._place} frame {frame}", what, form.COPY)
            )
        return int(times[end])

    def load(self, slot: int, first_frame: int, n_frames: int, check_crc: bool) -> FrameStream:
        """Read whole blocks of the checksum grid into the buffers `slot`; the offsets are counted from 0."""
        offsets, words = self.arrays.read(first_frame, n_frames, self._ring[slot])
        stream = FrameStream(first_frame, offsets, words)
        if check_crc:
            self._check_crc(stream)
        if not well_formed(stream.offsets, stream.words):
            refuse(self._source, form.STREAM.problems(self._place, stream))
        return stream

    def _check_crc(self, stream: FrameStream) -> None:
        """Comes before the check of the order: offsets that a flipped bit made fall only cut wrong words."""
        for start in range(0, stream.n_frames, self._block_frames):
            offsets = stream.offsets[start : start + self._block_frames + 1]
            first_frame = stream.first_frame + start
            words = stream.words[offsets[0] : offsets[-1]]
            block = FrameStream(first_frame, offsets - offsets[0], words)
            crc32 = int(self._crc32[first_frame // self._block_frames])
            if layout.block_crc32(words, block.offsets) != crc32:
                refuse(
                    self._source,
                    form.CHECKSUM.problems(self._place, first_frame, block.offsets, words, crc32),
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
        refuse(source, form.HEADER.problems(attributes))
        self.header = SpillHeader.from_attributes(attributes)
        group = open_group(self._file, layout.PRIMITIVES, source)
        names = detector_names(group, source)
        self._detectors = {
            name: _Detector(open_group(group, name, source), self.header, source, self._buffers)
            for name in names
        }

    @cached_property
    def optional(self) -> OptionalParts:
        """Hits, records and truth, as far as the file has them; opened when they are asked for."""
        return OptionalParts(self._file, self.header, str(self.path))

    @property
    def detectors(self) -> list[str]:
        """Names of the detectors, in the order of the file."""
        return list(self._detectors)

    @property
    def primitives_per_detector(self) -> dict[str, int]:
        """Number of primitives of each detector."""
        return {name: detector.arrays.values.length for name, detector in self._detectors.items()}

    def time_span(self, detector: str) -> tuple[int, int] | None:
        """Times of the first and last primitive in LSB since SOB, or None if there is none.

        Reads two blocks and some forty numbers, however long the spill is.
        """
        column = self._detectors[detector]
        n = column.arrays.values.length
        if n == 0:
            return None
        stops = _Stops(column.arrays.offsets)
        first, last = bisect_right(stops, 0), bisect_left(stops, n)
        return column.end_time(first, 0, self._check_crc), column.end_time(last, -1, self._check_crc)

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
