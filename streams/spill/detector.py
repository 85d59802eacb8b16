"""The arrays of one stream in a spill file: read by the reader, and by `validate` in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from streams.spill import form
from streams.spill.column import Buffer, Column
from streams.spill.layout import SpillHeader
from streams.spill.problem import Problem, refuse
from trigger.frames import Offsets


class Buffers(NamedTuple):
    """Room for one block of a stream."""

    offsets: Buffer
    values: Buffer


class StreamArrays:
    """The offsets, words (or records) and checksums of a stream."""

    def __init__(self, place: str, columns: Mapping[str, Column], source: str) -> None:
        self.place = place
        self.columns = columns
        self.offsets, self.values, self.crc32 = columns.values()
        self._source = source

    def length_problems(self, header: SpillHeader) -> Iterator[Problem]:
        """Yield what is wrong with the lengths for a spill with this header."""
        found = {name: column.length for name, column in self.columns.items()}
        return form.LENGTHS.problems(self.place, found, header)

    def end_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the first and last offset, if there are any: see `length_problems`."""
        ends = self.offsets.value(0), self.offsets.value(self.offsets.length - 1)
        return form.ENDS.problems(self.place, ends, self.values.length)

    def buffers(self, again: bool = True) -> Buffers:
        """Make room for a block, of any size; for one block after the other, or for each anew."""
        return Buffers(Buffer(self.offsets, again), Buffer(self.values, again))

    def read(self, first_frame: int, n_frames: int, buffers: Buffers) -> tuple[Offsets, NDArray[Any]]:
        """Read a run of frames into the buffers: offsets, counted from 0, which may still fall inside, and values.

        Raises BadSpillError if the run is not inside the values.
        """
        offsets = buffers.offsets.of(n_frames + 1)
        self.offsets.read(first_frame, offsets)
        first, stop = int(offsets[0]), int(offsets[-1])
        if not 0 <= first <= stop <= self.values.length:
            refuse(self._source, form.OFFSETS.problems(self.place, first_frame, offsets, self.values.length))
        values = buffers.values.of(stop - first)
        self.values.read(first, values)
        offsets -= first
        return offsets, values
