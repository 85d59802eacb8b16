"""Every check of a spill file: each is a small generator that yields named problems with their places.

`validate` goes on after a problem wherever the rest still has a meaning. It reads a file once and holds one
block of the checksum grid of one detector at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from streams import catalogue
from streams.spill import layout
from streams.spill.column import Buffer, Column, detector_names, hdf5_errors, open_group
from streams.spill.layout import SpillError
from streams.spill.reader import open_file
from trigger import order
from trigger.frames import ID_SHIFT, FrameError, FrameStream, Offsets


@dataclass(frozen=True)
class Problem:
    """Something wrong: the name of the check, the place in the file, what is wrong there."""

    check: str
    place: str
    what: str


def validate(path: str | Path) -> Iterator[Problem]:
    """Yield every problem of a file, none if it is good."""
    source = str(path)
    try:
        file = open_file(Path(path))
    except SpillError as wrong:
        yield _unreadable("file", wrong, source)
        return
    with file:
        try:
            with hdf5_errors(source, "header"):
                attributes = dict(file.attrs)
        except SpillError as wrong:
            yield _unreadable("header", wrong, source)
            return
        yield from _content(file, attributes, source)


def _content(file: h5py.File, attributes: Mapping[str, Any], source: str) -> Iterator[Problem]:
    problems = list(attributes_are_right(attributes))
    yield from problems
    bad = {problem.place.removeprefix("attribute ") for problem in problems}
    if bad & {"format", "version"}:
        return
    try:
        group = open_group(file, layout.PRIMITIVES, source)
        names = detector_names(group, source)
    except SpillError as wrong:
        yield _unreadable(f"/{layout.PRIMITIVES}", wrong, source)
        return
    if "experiment" not in bad:
        yield from detectors_are_known(layout.attribute_text(attributes["experiment"]), names)
    if bad & {"n_frames", "block_frames"}:
        return
    shape = _Shape(int(attributes["n_frames"]), int(attributes["block_frames"]))
    for name in names:
        yield from _detector(group, name, shape, source)


@dataclass(frozen=True)
class _Shape:
    n_frames: int
    block_frames: int


def attributes_are_right(attributes: Mapping[str, Any]) -> Iterator[Problem]:
    """Format, version, and every attribute is there and of its type; the provenance is JSON."""
    for name, what in layout.attribute_problems(attributes):
        yield Problem("attributes", f"attribute {name}", what)


def detectors_are_known(experiment: str, names: Sequence[str]) -> Iterator[Problem]:
    """The experiment's profile ships with ktrig and has the file's detectors; there is at least one."""
    if not names:
        yield Problem("detectors", f"/{layout.PRIMITIVES}", "holds no detector; write the file again")
    known = catalogue.names("experiments")
    if experiment not in known:
        what = f"is {experiment!r}, which ktrig does not know; it knows {', '.join(known)}"
        yield Problem("experiment", "attribute experiment", what)
        return
    detectors = [detector.name for detector in catalogue.load_experiment(experiment).detector]
    for name in names:
        if name not in detectors:
            what = f"is not a detector of {experiment}; they are {', '.join(detectors)}"
            yield Problem("detectors", f"/{layout.PRIMITIVES}/{name}", what)


def _detector(parent: h5py.Group, name: str, shape: _Shape, source: str) -> Iterator[Problem]:
    columns: dict[str, Column] = {}
    for column, dtype in layout.COLUMNS.items():
        try:
            columns[column] = Column(open_group(parent, name, source), column, dtype, source)
        except SpillError as wrong:
            yield _problem("arrays", f"{parent.name}/{name}/{column}", wrong, source)
    if len(columns) < len(layout.COLUMNS):
        return
    problems = list(lengths_agree(columns, shape))
    yield from problems
    if problems:
        return
    try:
        yield from offsets_span_the_words(columns)
        yield from _blocks(f"{parent.name}/{name}", columns, shape)
    except SpillError as wrong:
        yield _unreadable(f"{parent.name}/{name}", wrong, source)


def lengths_agree(columns: Mapping[str, Column], shape: _Shape) -> Iterator[Problem]:
    """One offset more than frames, one checksum for each block."""
    n_blocks = -(-shape.n_frames // shape.block_frames)
    for name, wanted in ((layout.OFFSETS, shape.n_frames + 1), (layout.CRC32, n_blocks)):
        length = columns[name].length
        if length != wanted:
            yield Problem("lengths", columns[name].place, f"has {length} elements, not {wanted}")


def offsets_span_the_words(columns: Mapping[str, Column]) -> Iterator[Problem]:
    """The first offset is 0, the last is the number of words."""
    offsets, words = columns[layout.OFFSETS], columns[layout.WORDS]
    for index, wanted in ((0, 0), (offsets.length - 1, words.length)):
        value = offsets.value(index)
        if value != wanted:
            yield Problem("offsets", f"{offsets.place}[{index}]", f"is {value}, not {wanted}")


def _blocks(place: str, columns: Mapping[str, Column], shape: _Shape) -> Iterator[Problem]:
    offset_buffer, word_buffer = Buffer(np.int64), Buffer(np.uint32)
    n_words = columns[layout.WORDS].length
    for block, first in enumerate(range(0, shape.n_frames, shape.block_frames)):
        stop = min(first + shape.block_frames, shape.n_frames)
        offsets = offset_buffer.of(stop - first + 1)
        columns[layout.OFFSETS].read(first, offsets)
        problems = list(offsets_rise(place, first, offsets, n_words))
        yield from problems
        if problems:
            continue
        base = int(offsets[0])
        words = word_buffer.of(int(offsets[-1]) - base)
        columns[layout.WORDS].read(base, words)
        offsets -= base
        stream = FrameStream(first, offsets, words)
        yield from checksum_agrees(place, stream, columns[layout.CRC32].value(block))
        for check in WORD_CHECKS:
            yield from check(place, stream)


def offsets_rise(place: str, first: int, offsets: Offsets, n_words: int) -> Iterator[Problem]:
    """No offset is smaller than the one before, none leaves the words."""
    falls = np.flatnonzero(np.diff(offsets) < 0)
    if falls.size:
        yield Problem("offsets", f"{place} frame {first + int(falls[0])}", "offsets fall")
    elif offsets[0] < 0 or offsets[-1] > n_words:
        what = f"offsets {offsets[0]} to {offsets[-1]} leave the {n_words} words"
        yield Problem("offsets", f"{place} frame {first}", what)


def checksum_agrees(place: str, stream: FrameStream, crc32: int) -> Iterator[Problem]:
    """The words and offsets of a block are those that were written."""
    found = layout.block_crc32(stream.words, stream.offsets)
    if found != crc32:
        frames = f"{place} frames {stream.first_frame} to {stream.stop_frame - 1}"
        yield Problem("checksum", frames, f"the CRC-32 is {found:#010x}, not {crc32:#010x} as written")


def frames_are_sorted(place: str, stream: FrameStream) -> Iterator[Problem]:
    """Inside a frame times do not fall."""
    try:
        order.check(stream)
    except FrameError as wrong:
        frame, _, what = str(wrong).partition(": ")
        yield Problem("order", f"{place} {frame}", what)


def ids_are_set(place: str, stream: FrameStream) -> Iterator[Problem]:
    """No ID is 0: the L0 processor discards such primitives."""
    zero = np.flatnonzero(stream.words >> np.uint32(ID_SHIFT) == 0)
    if zero.size:
        frame = stream.first_frame + int(np.searchsorted(stream.offsets, zero[0], side="right")) - 1
        what = f"primitives with ID 0 from here to frame {stream.stop_frame - 1}: {zero.size}"
        yield Problem("ids", f"{place} frame {frame}", what)


WORD_CHECKS: Final = (frames_are_sorted, ids_are_set)
"""Checks of the words of a block; a new one is added here."""


def _unreadable(place: str, wrong: SpillError, source: str) -> Problem:
    return _problem("readable", place, wrong, source)


def _problem(check: str, place: str, wrong: SpillError, source: str) -> Problem:
    what = str(wrong).removeprefix(f"{source}: ").removeprefix(place).lstrip(" :")
    return Problem(check, place, what)
