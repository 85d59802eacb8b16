"""The optional parts of a spill file: hits, records, and the truth of a simulation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from streams.spill import form, layout
from streams.spill.column import Column, detector_names, hdf5_errors, member, open_group
from streams.spill.detector import Buffers, StreamArrays
from streams.spill.layout import SpillError, SpillHeader
from streams.spill.problem import refuse
from trigger.frames import FrameStream, Offsets
from trigger.records import KINDS, RecordStream


class CheckedStream:
    """A stream of words or records that is read by frames, whole blocks of the checksum grid at a time.

    Raises BadSpillError if its arrays do not fit the header; reading, if a block is not what was written.
    """

    def __init__(
        self, group: h5py.Group, columns: Mapping[str, Any], header: SpillHeader, source: str
    ) -> None:
        self._source, self._place, self._header = source, group.name, header
        opened = {name: Column(group, name, dtype, source) for name, dtype in columns.items()}
        self.arrays = StreamArrays(group.name, opened, source)
        refuse(source, self.arrays.length_problems(header))
        refuse(source, self.arrays.end_problems())
        self._buffers = self.arrays.buffers(again=False)

    def __len__(self) -> int:
        return self.arrays.values.length

    def read(
        self, first_frame: int, n_frames: int, buffers: Buffers | None = None
    ) -> tuple[Offsets, NDArray[Any]]:
        """Return offsets (int64[n_frames + 1] from 0) and values of a run of frames.

        buffers: to read into, of `arrays.buffers`; by default memory of their own.
        """
        stop, grid = first_frame + n_frames, self._header.block_frames
        if not 0 <= first_frame <= stop <= self._header.n_frames:
            raise SpillError(f"{self._source}: frames {first_frame} to {stop - 1} are not inside the spill")
        begin, end = first_frame - first_frame % grid, min(-(-stop // grid) * grid, self._header.n_frames)
        offsets, values = self.arrays.read(begin, end - begin, buffers or self._buffers)
        for low in range(0, end - begin, grid):
            part = offsets[low : low + grid + 1]
            crc32 = self.arrays.crc32.value((begin + low) // grid)
            cut = values[part[0] : part[-1]]
            refuse(self._source, form.CHECKSUM.problems(self._place, begin + low, part - part[0], cut, crc32))
        offsets = offsets[first_frame - begin : stop - begin + 1]
        return offsets - offsets[0], values[offsets[0] : offsets[-1]]


@dataclass(frozen=True)
class Readout:
    """What was read out: the hit menu's name and hash, and the windows, detector -> (begin, end) in ns."""

    menu: str
    menu_hash: str
    windows: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Truth:
    """What was simulated: which decays were kept (see `simulate.settings`), and the modes.

    A mode is an object with name, title, parent, branching_ratio, parameters, signal, and how many decays were made:
    generated, generated_fiducial.
    """

    kept: str
    modes: tuple[Mapping[str, Any], ...]


class OptionalParts:
    """The optional parts of an open file. Raises BadSpillError if one is there and is not what it should be."""

    def __init__(self, file: h5py.File, header: SpillHeader, source: str) -> None:
        self._source, self._header = source, header
        self._groups = {
            name: open_group(file, name, source)
            for name in (layout.HITS, layout.TRUTH, *(kind for kind in KINDS if "/" not in kind))
            if name in file
        }
        self.hits: dict[str, CheckedStream] = {}
        if layout.HITS in self._groups:
            group = self._groups[layout.HITS]
            for name in detector_names(group, source):
                self.hits[name] = CheckedStream(
                    open_group(group, name, source), layout.COLUMNS, header, source
                )
        self.records: dict[str, CheckedStream] = {}
        for kind in KINDS:
            parent, _, name = kind.rpartition("/")
            if parent in self._groups and name in self._groups[parent]:
                self._groups[kind] = open_group(self._groups[parent], name, source)
            if kind in self._groups:
                columns = layout.record_columns(kind)
                self.records[kind] = CheckedStream(self._groups[kind], columns, header, source)

    def read_hits(self, name: str, first_frame: int, n_frames: int) -> FrameStream:
        """Read the hits of a detector in a run of frames."""
        return FrameStream(first_frame, *self._of(self.hits, name, "hits").read(first_frame, n_frames))

    def read_records(self, kind: str, first_frame: int, n_frames: int) -> RecordStream:
        """Read the records of a kind (see `records.KINDS`) in a run of frames."""
        return RecordStream(first_frame, *self._of(self.records, kind, "records").read(first_frame, n_frames))

    def _of(self, streams: Mapping[str, CheckedStream], name: str, what: str) -> CheckedStream:
        if name not in streams:
            known = ", ".join(streams) or "none"
            raise SpillError(f"{self._source}: has no {what} {name!r}, but {known}; simulate or record them")
        return streams[name]

    @property
    def readout(self) -> Readout | None:
        """What was read out, None if nothing was."""
        if layout.READOUT not in self._groups:
            return None
        menu, menu_hash, windows = self._attributes(layout.READOUT)
        return Readout(
            menu, menu_hash, {name: (begin, end) for name, (begin, end) in json.loads(windows).items()}
        )

    @property
    def truth(self) -> Truth | None:
        """What was simulated, None without truth."""
        if "truth/decays" not in self.records:
            return None
        kept, modes = self._attributes(layout.TRUTH)
        return Truth(kept, tuple(json.loads(modes)))

    def _attributes(self, place: str) -> Iterator[str]:
        with hdf5_errors(self._source, f"/{place}"):
            attributes = dict(self._groups[place].attrs)
        refuse(self._source, form.DESCRIPTION.problems(place, attributes))
        return (layout.attribute_text(attributes[name]) for name in layout.GROUP_ATTRIBUTES[place])

    def intensity_mhz(self) -> tuple[NDArray[np.float64], int] | None:
        """Return the simulated intensity in cells (float64[n]) and the frames of a cell, None without truth."""
        if layout.TRUTH not in self._groups:
            return None
        group = self._groups[layout.TRUTH]
        cells, attributes = read_intensity(group, self._source)
        refuse(
            self._source,
            form.INTENSITY.problems(f"/truth/{layout.INTENSITY}", cells, attributes, self._header),
        )
        return cells.astype(np.float64), int(attributes["cell_frames"])


def read_intensity(group: h5py.Group, source: str) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """Read the cells of the intensity, float32[n], and their attributes. BadSpillError if they cannot be read."""
    column = Column(group, layout.INTENSITY, np.float32, source)
    cells = column.room(column.length)
    column.read(0, cells)
    with hdf5_errors(source, column.place):
        return cells, dict(member(group, layout.INTENSITY).attrs)
