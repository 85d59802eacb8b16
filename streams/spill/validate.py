"""All checks of a spill file in their order; what each asks is in `form` and `content`.

`validate` goes on after a problem wherever the rest still has a meaning. It reads a file once and holds one
block of the checksum grid of one detector at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py

from streams import catalogue
from streams.spill import content, form, layout
from streams.spill.column import Column, detector_names, hdf5_errors, open_group
from streams.spill.content import Given, IdCounts, Spill
from streams.spill.detector import DetectorArrays
from streams.spill.layout import SpillHeader
from streams.spill.problem import FILE, BadSpillError, Problem
from streams.spill.reader import open_file
from trigger.experiment import Experiment
from trigger.frames import FrameStream

STAND_INS: Final = {
    "experiment": b"", "provenance": b"{}", "run": 0, "burst": 0, "sob_unix_ns": 0, "simulated": False,
}  # fmt: skip
"""In place of wrong attributes that say nothing about the arrays, so that these are still checked."""

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
        yield from content.FOREIGN.problems(file["/"], [layout.PRIMITIVES])
    group = open_group(file, layout.PRIMITIVES, source)
    names = detector_names(group, source)
    with hdf5_errors(source, group.name):
        yield from content.FOREIGN.problems(group, names)
    profile = given.profile or _shipped(header.experiment)
    if "experiment" not in wrong:
        yield from content.SPILL.problems(Spill(header, names, given, profile))
    for name in names:
        yield from _Detector(name, header, profile, source).problems(group)


def _shipped(experiment: str) -> Experiment | None:
    known = experiment in catalogue.names("experiments")
    return catalogue.load_experiment(experiment) if known else None


class _Detector:
    """The checks of one detector."""

    def __init__(self, name: str, header: SpillHeader, profile: Experiment | None, source: str) -> None:
        self._name = name
        self._header = header
        self._profile = profile
        self._source = source

    def problems(self, parent: h5py.Group) -> Iterator[Problem]:
        try:
            group = open_group(parent, self._name, self._source)
            with hdf5_errors(self._source, group.name):
                yield from content.FOREIGN.problems(group, layout.COLUMNS)
            columns: dict[str, Column] = {}
            yield from self._open(group, columns)
            if len(columns) == len(layout.COLUMNS):
                yield from self._arrays(DetectorArrays(group.name, columns, self._source))
        except BadSpillError as wrong:
            yield wrong.problem

    def _open(self, group: h5py.Group, columns: dict[str, Column]) -> Iterator[Problem]:
        """Open all arrays into `columns`, to report on each."""
        for name, dtype in layout.COLUMNS.items():
            try:
                columns[name] = column = Column(group, name, dtype, self._source)
            except BadSpillError as wrong:
                yield wrong.problem
            else:
                yield from content.ARRAY.problems(group.name, name, column.chunk)

    def _arrays(self, arrays: DetectorArrays) -> Iterator[Problem]:
        lengths = [*arrays.length_problems(self._header)]
        yield from lengths
        if lengths:
            return
        yield from arrays.end_problems()
        yield from content.WORDS.problems(arrays.place, arrays.words.length, self._header)
        ids = IdCounts()
        buffers = arrays.buffers()
        for block, first in enumerate(range(0, self._header.n_frames, self._header.block_frames)):
            n_frames = min(self._header.block_frames, self._header.n_frames - first)
            try:
                stream = arrays.read(first, n_frames, buffers)
                crc32 = arrays.crc32.value(block)
            except BadSpillError as wrong:
                yield wrong.problem
                continue
            damage = [*_damage(arrays.place, stream, crc32)]
            yield from damage
            if not damage:
                yield from form.STREAM.problems(arrays.place, stream)
                ids.add(stream)
        yield from content.IDS.problems(arrays.place, self._name, ids, self._profile)


def _damage(place: str, stream: FrameStream, crc32: int) -> Iterator[Problem]:
    """Yield what says that a block is not as it was written: whatever else is wrong with it would only follow."""
    falls = [*form.OFFSETS.problems(place, stream.first_frame, stream.offsets, len(stream.words))]
    yield from falls or form.CHECKSUM.problems(place, stream, crc32)
