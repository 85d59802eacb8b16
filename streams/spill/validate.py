"""All checks of a spill file in their order; what each asks is in `form` and `content`.

`validate` goes on after a problem wherever the rest still has a meaning. It reads a file once and holds one
block of the checksum grid of one detector at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import h5py
from numpy.typing import NDArray

from streams import catalogue
from streams.spill import content, form, layout
from streams.spill.column import Column, detector_names, hdf5_errors, open_group
from streams.spill.content import Given, IdCounts, RecordBlock, Spill
from streams.spill.detector import StreamArrays
from streams.spill.layout import SpillHeader
from streams.spill.optional import read_intensity
from streams.spill.problem import FILE, BadSpillError, Problem
from streams.spill.reader import open_file
from trigger.experiment import Experiment
from trigger.frames import FrameStream, Offsets
from trigger.records import KINDS

STAND_INS: Final = {
    "experiment": b"", "provenance": b"{}", "run": 0, "burst": 0, "sob_unix_ns": 0, "simulated": False,
}  # fmt: skip
"""In place of wrong attributes that say nothing about the arrays, so that these are still checked."""

TOP: Final = (layout.PRIMITIVES, layout.HITS, layout.TRUTH, *(kind for kind in KINDS if "/" not in kind))
"""Members of the root."""

NOTHING_GIVEN: Final = Given()


def validate(path: str | Path, given: Given = NOTHING_GIVEN) -> Iterator[Problem]:
    """Yield every problem of a file, none if it is good."""
    source = str(path)
    yield from content.PATH.problems(Path(path))
    try:
        with open_file(Path(path)) as file:
            yield from _spill(file, given, source)
    except BadSpillError as wrong:
        yield wrong.problem


def _spill(file: h5py.File, given: Given, source: str) -> Iterator[Problem]:
    with hdf5_errors(source, "header"):
        attributes = dict(file.attrs)
    problems = [*form.HEADER.problems(attributes)]
    yield from problems
    wrong = {problem.place.removeprefix("attribute ") for problem in problems}
    if wrong & {FILE, "n_frames", "block_frames"}:
        return
    stand_ins = {name: value for name, value in STAND_INS.items() if name in wrong}
    header = SpillHeader.from_attributes(attributes | stand_ins)
    with hdf5_errors(source, "/"):
        yield from content.FOREIGN.problems(file["/"], TOP)
    group = open_group(file, layout.PRIMITIVES, source)
    names = detector_names(group, source)
    with hdf5_errors(source, group.name):
        yield from content.FOREIGN.problems(group, names)
    profile = given.profile or _shipped(header.experiment)
    if "experiment" not in wrong:
        yield from content.SPILL.problems(Spill(header, names, given, profile))
    for name in names:
        yield from _Primitives(group, name, layout.COLUMNS, header, source, profile=profile).problems()
    yield from _optional(file, header, source)


def _optional(file: h5py.File, header: SpillHeader, source: str) -> Iterator[Problem]:
    """Check hits, records and truth, as far as they are there."""
    try:
        if layout.HITS in file:
            group = open_group(file, layout.HITS, source)
            names = detector_names(group, source)
            yield from content.HIT_NAMES.problems(names)
            for name in names:
                yield from _Hits(group, name, layout.COLUMNS, header, source).problems()
        described: dict[str, dict[str, Any]] = {}
        for place in (layout.READOUT, layout.TRUTH):
            if place in file:
                group = open_group(file, place, source)
                with hdf5_errors(source, group.name):
                    described[place] = dict(group.attrs)
                yield from form.DESCRIPTION.problems(place, described[place])
        yield from _parts(file, described.get(layout.READOUT, {}), header, source)
        counts = _truth_counts(file, described.get(layout.TRUTH, {}))
        for kind in KINDS:
            if kind in file:
                yield from _Records(
                    file, kind, layout.record_columns(kind), header, source, truth_counts=counts
                ).problems()
    except BadSpillError as wrong:
        yield wrong.problem


def _parts(
    file: h5py.File, readout: Mapping[str, Any], header: SpillHeader, source: str
) -> Iterator[Problem]:
    """Check which of the optional parts are there, and the intensity."""
    there = [name for name in (layout.TRUTH, *KINDS, f"truth/{layout.INTENSITY}") if name in file]
    if layout.HITS in file:
        there += [f"hits/{name}" for name in file[layout.HITS]]
    good = layout.description_problem("windows", readout.get("windows")) is None
    windows = json.loads(layout.attribute_text(readout["windows"])) if good else layout.ALL_WINDOWS
    yield from form.PARTS.problems(there, windows)
    if layout.TRUTH in there:
        group = open_group(file, layout.TRUTH, source)
        members = [kind.removeprefix("truth/") for kind in KINDS if kind.startswith("truth/")]
        yield from content.FOREIGN.problems(group, [*members, layout.INTENSITY])
        if layout.INTENSITY in group:
            place = f"/truth/{layout.INTENSITY}"
            yield from form.INTENSITY.problems(place, *read_intensity(group, source), header)


def _truth_counts(file: h5py.File, attributes: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many modes and particles the decays of the truth may point to."""
    text = layout.attribute_text(attributes.get("modes"))
    modes = 0 if layout.description_problem("modes", attributes.get("modes")) else len(json.loads(text))
    particles = file.get(f"truth/particles/{layout.RECORDS}")
    return modes, len(particles) if isinstance(particles, h5py.Dataset) else 0


def _shipped(experiment: str) -> Experiment | None:
    known = experiment in catalogue.names("experiments")
    return catalogue.load_experiment(experiment) if known else None


class _Stream:
    """The checks of one stream, whatever it holds."""

    def __init__(
        self, parent: h5py.Group, name: str, columns: Mapping[str, Any], header: SpillHeader, source: str
    ) -> None:
        self._parent = parent
        self._name = name
        self._columns = columns
        self._header = header
        self._source = source

    def problems(self) -> Iterator[Problem]:
        try:
            group = open_group(self._parent, self._name, self._source)
            with hdf5_errors(self._source, group.name):
                yield from content.FOREIGN.problems(group, self._columns)
            columns: dict[str, Column] = {}
            yield from self._open(group, columns)
            if len(columns) == len(self._columns):
                yield from self._arrays(StreamArrays(group.name, columns, self._source))
        except BadSpillError as wrong:
            yield wrong.problem

    def _open(self, group: h5py.Group, columns: dict[str, Column]) -> Iterator[Problem]:
        """Open all arrays into `columns`, to report on each."""
        for name, dtype in self._columns.items():
            try:
                columns[name] = column = Column(group, name, dtype, self._source)
            except BadSpillError as wrong:
                yield wrong.problem
            else:
                yield from content.ARRAY.problems(group.name, name, column.chunk)

    def _arrays(self, arrays: StreamArrays) -> Iterator[Problem]:
        lengths = [*arrays.length_problems(self._header)]
        yield from lengths
        if lengths:
            return
        yield from arrays.end_problems()
        buffers = arrays.buffers()
        for block, first in enumerate(range(0, self._header.n_frames, self._header.block_frames)):
            n_frames = min(self._header.block_frames, self._header.n_frames - first)
            try:
                offsets, values = arrays.read(first, n_frames, buffers)
                crc32 = arrays.crc32.value(block)
            except BadSpillError as wrong:
                yield wrong.problem
                continue
            damage = [*_damage(arrays.place, first, offsets, values, crc32)]
            yield from damage or self._block(arrays.place, first, offsets, values)

    def _block(self, place: str, first: int, offsets: Offsets, values: NDArray[Any]) -> Iterator[Problem]:
        """Yield what is wrong with an undamaged block."""
        raise NotImplementedError


class _Hits(_Stream):
    """The checks of a detector's hits."""

    def _block(self, place: str, first: int, offsets: Offsets, values: NDArray[Any]) -> Iterator[Problem]:
        return form.STREAM.problems(place, FrameStream(first, offsets, values))


class _Primitives(_Hits):
    """The checks of a detector's primitives."""

    def __init__(self, *stream: Any, profile: Experiment | None) -> None:
        super().__init__(*stream)
        self._profile = profile
        self._ids = IdCounts()

    def _arrays(self, arrays: StreamArrays) -> Iterator[Problem]:
        yield from super()._arrays(arrays)
        yield from content.WORDS.problems(arrays.place, arrays.values.length, self._header)
        yield from content.IDS.problems(arrays.place, self._name, self._ids, self._profile)

    def _block(self, place: str, first: int, offsets: Offsets, values: NDArray[Any]) -> Iterator[Problem]:
        yield from super()._block(place, first, offsets, values)
        self._ids.add(FrameStream(first, offsets, values))


class _Records(_Stream):
    """The checks of the records of a kind."""

    def __init__(self, *stream: Any, truth_counts: tuple[int, int]) -> None:
        super().__init__(*stream)
        self._truth_counts = truth_counts

    def _block(self, place: str, first: int, offsets: Offsets, values: NDArray[Any]) -> Iterator[Problem]:
        return content.RECORDS.problems(
            place, RecordBlock(self._name, first, offsets, values, *self._truth_counts)
        )


def _damage(place: str, first: int, offsets: Offsets, values: NDArray[Any], crc32: int) -> Iterator[Problem]:
    """Yield what says that a block is not as it was written: whatever else is wrong with it would only follow."""
    falls = [*form.OFFSETS.problems(place, first, offsets, len(values))]
    yield from falls or form.CHECKSUM.problems(place, first, offsets, values, crc32)
