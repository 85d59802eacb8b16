"""The arrays of one detector in a spill file: read by the reader, and by `validate` in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from streams.spill import form, layout
from streams.spill.column import Buffer, Column
from streams.spill.layout import SpillHeader
from streams.spill.problem import Problem, refuse
from trigger.frames import FrameStream


class Buffers(NamedTuple):
    """Room for one block of a detector."""

    offsets: Buffer
    words: Buffer


class DetectorArrays:
    """The offsets, words and checksums of a detector."""

    def __init__(self, place: str, columns: Mapping[str, Column], source: str) -> None:
        self.place = place
        self.columns = columns
        self.offsets, self.words, self.crc32 = (columns[name] for name in layout.COLUMNS)
        self._source = source

    def length_problems(self, header: SpillHeader) -> Iterator[Problem]:
        """Yield what is wrong with the lengths for a spill with this header."""
        found = {name: column.length for name, column in self.columns.items()}
        return form.LENGTHS.problems(self.place, found, header)

    def end_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the first and last offset, if there are any: see `length_problems`."""
        ends = self.offsets.value(0), self.offsets.value(self.offsets.length - 1)
        return form.ENDS.problems(self.place, ends, self.words.length)

    def buffers(self, again: bool = True) -> Buffers:
        """Make room for a block, of any size; for one block after the other, or for each anew."""
        return Buffers(Buffer(self.offsets, again), Buffer(self.words, again))

    def read(self, first_frame: int, n_frames: int, buffers: Buffers) -> FrameStream:
        """Read a run of frames into the buffers; its offsets are counted from 0 and may still fall inside.

        Raises BadSpillError if the run is not inside the words.
        """
        offsets = buffers.offsets.of(n_frames + 1)
        self.offsets.read(first_frame, offsets)
        first, stop = int(offsets[0]), int(offsets[-1])
        if not 0 <= first <= stop <= self.words.length:
            refuse(self._source, form.OFFSETS.problems(self.place, first_frame, offsets, self.words.length))
        words = buffers.words.of(stop - first)
        self.words.read(first, words)
        offsets -= first
        return FrameStream(first_frame, offsets, words)
