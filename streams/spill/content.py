"""Checks of what a spill file holds: only `validate` makes them, a reader can do without."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import h5py
import numpy as np

from streams import catalogue
from streams.spill import form, layout
from streams.spill.bits import unnamed_bits, unnamed_text
from streams.spill.column import member
from streams.spill.layout import PRIMITIVES, SpillHeader
from streams.spill.problem import FILE, Finding, Scope
from trigger.activity import activity
from trigger.experiment import CALIBRATION_BIT, Experiment
from trigger.frames import FrameStream, Offsets
from trigger.menu import Menu
from trigger.records import Records

N_IDS: Final = 1 << 16
"""IDs that the 16 bits of a primitive can hold."""


@dataclass(frozen=True)
class Given:
    """What the user says about a file: the profile it is checked with, and the menu it is to be replayed with."""

    profile: Experiment | None = None
    menu: tuple[Menu, Experiment] | None = None


@dataclass(frozen=True)
class Spill:
    """The upper part of a spill file. profile: the one given, else the one that ships; None if there is none."""

    header: SpillHeader
    detectors: Sequence[str]
    given: Given
    profile: Experiment | None


class IdCounts:
    """How often each ID is in a stream, and where first: int64[N_IDS] each."""

    def __init__(self) -> None:
        self.counts = np.zeros(N_IDS, np.int64)
        self.first_frame = np.zeros(N_IDS, np.int64)

    def add(self, stream: FrameStream) -> None:
        """Count the IDs of the frames that follow those before."""
        ids = stream.ids()
        here = np.bincount(ids, minlength=N_IDS)
        if np.any((self.counts == 0) & (here > 0)):
            seen, index = np.unique(ids, return_index=True)
            new = self.counts[seen] == 0
            frames = np.searchsorted(stream.offsets, index[new], side="right") - 1
            self.first_frame[seen[new]] = stream.first_frame + frames
        self.counts += here


KNOWN_ATTRIBUTES: Final = {
    "/": layout.ATTRIBUTES,
    "/readout": layout.GROUP_ATTRIBUTES["readout"],
    "/truth": layout.GROUP_ATTRIBUTES["truth"],
    f"/truth/{layout.INTENSITY}": layout.GROUP_ATTRIBUTES[layout.INTENSITY],
}


class RecordBlock(NamedTuple):
    """A block of records of a kind: offsets from 0, and how many modes and particles the truth may point to."""

    kind: str
    first_frame: int
    offsets: Offsets
    records: Records
    n_modes: int
    n_particles: int

    def frame_of(self, index: int) -> int:
        """The frame of a record."""
        return self.first_frame + int(np.searchsorted(self.offsets, index, side="right")) - 1


PATH: Final[Scope[[Path]]] = Scope("file")
HIT_NAMES: Final[Scope[[Collection[str]]]] = Scope("spill")
RECORDS: Final[Scope[[str, RecordBlock]]] = Scope("block")
FOREIGN: Final[Scope[[h5py.Group, Collection[str]]]] = Scope("spill")
SPILL: Final[Scope[[Spill]]] = Scope("spill")
ARRAY: Final[Scope[[str, str, int | None]]] = Scope("detector")
WORDS: Final[Scope[[str, int, SpillHeader]]] = Scope("detector")
IDS: Final[Scope[[str, str, IdCounts, Experiment | None]]] = Scope("primitives")


@PATH.check("warning")
def partial(path: Path) -> Iterator[Finding]:
    """The name does not end in .partial: such a file is being written, or its writer was killed."""
    if path.suffix == ".partial":
        yield FILE, "is being written, or its writer was killed", "wait for the file without .partial"


@FOREIGN.check("warning")
def extras(group: h5py.Group, members: Collection[str]) -> Iterator[Finding]:
    """There is nothing that the format does not have: ktrig reads past it, and no checksum covers it."""
    arrays = [item for name in members if isinstance(item := member(group, name), h5py.Dataset)]
    for item in (group, *arrays):
        for name in item.attrs:
            if name not in KNOWN_ATTRIBUTES.get(item.name, ()):
                yield item.name, f"has the attribute {name!r}, which is not of the format", "leave it out"
    for name in group:
        if name not in members:
            yield group.name, f"has the member {name!r}, which is not of the format", "leave it out"


@SPILL.check()
def experiment(spill: Spill) -> Iterator[Finding]:
    """The experiment is one that ships with ktrig, or that of the profile given with --experiment."""
    place, name = "attribute experiment", spill.header.experiment
    if spill.profile is None:
        known = ", ".join(catalogue.names("experiments"))
        yield place, f"is {name!r}, known are {known}", "give its profile with --experiment"
    elif name != spill.profile.name:
        yield place, f"is {name!r}, the profile is that of {spill.profile.name}", "give the one that fits"


@SPILL.check()
def detectors(spill: Spill) -> Iterator[Finding]:
    """There is a detector, and each is one of the experiment: no line can ask for another."""
    if not spill.detectors:
        yield f"/{PRIMITIVES}", "holds no detector", "write the file again"
    if spill.profile is None:
        return
    known = [detector.name for detector in spill.profile.detector]
    for name in spill.detectors:
        if name not in known:
            what = f"is not a detector of {spill.profile.name}, which has {', '.join(known)}"
            yield f"/{PRIMITIVES}/{name}", what, "rename it, or give the profile that fits with --experiment"


@SPILL.check("warning")
def empty(spill: Spill) -> Iterator[Finding]:
    """There are frames: a spill without any is allowed, and nothing comes of it."""
    if spill.header.n_frames == 0:
        yield "attribute n_frames", "is 0: the spill is empty", "nothing to do if that is meant"


@SPILL.check("warning")
def menu(spill: Spill) -> Iterator[Finding]:
    """With --menu: its lines have their detectors, else they are inactive or lack a veto."""
    if spill.given.menu is None:
        return
    menu, profile = spill.given.menu
    if profile.name != spill.header.experiment:
        yield (
            f"menu {menu.name}",
            f"is for {profile.name}, the spill is of {spill.header.experiment}",
            "give another",
        )
        return
    lines: dict[str, list[str]] = {}
    for line in activity(menu, profile, spill.detectors):
        for what in (f"inactive, {line.reason}",) if not line.active else line.unapplied:
            lines.setdefault(what, []).append(line.name)
    for what, names in lines.items():
        yield f"menu {menu.name}", f"{', '.join(names)}: {what}", "add the detector, or give another menu"


@HIT_NAMES.check("warning")
def hit_detectors(names: Collection[str]) -> Iterator[Finding]:
    """Each detector with hits is one that an L1 algorithm reads."""
    for name in names:
        if name not in layout.HIT_DETECTORS:
            what = f"has {name!r}, which no L1 algorithm reads; known are {', '.join(layout.HIT_DETECTORS)}"
            yield f"/{layout.HITS}", what, "rename it, or leave it out"


@RECORDS.check()
def record_order(place: str, block: RecordBlock) -> Iterator[Finding]:
    """Inside a frame no record is earlier than the one before it."""
    times = block.records["time"].astype(np.int64)
    falls = np.flatnonzero(times[1:] < times[:-1]) + 1
    inner = np.setdiff1d(falls, block.offsets, assume_unique=False)
    if inner.size:
        yield f"{place} frame {block.frame_of(inner[0])}", "records are not sorted by time", form.REWRITE


@RECORDS.check()
def finite(place: str, block: RecordBlock) -> Iterator[Finding]:
    """Each number of a record is finite."""
    for name in block.records.dtype.names or ():
        values = block.records[name]
        if values.dtype.kind == "f":
            bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
            if bad.size:
                yield f"{place} frame {block.frame_of(bad[0])}", f"{name} is not finite", form.REWRITE


@RECORDS.check()
def truth_links(place: str, block: RecordBlock) -> Iterator[Finding]:
    """Each decay has a mode of the list, and particles that are there."""
    if block.kind != "truth/decays":
        return
    decays = block.records
    if (bad := np.flatnonzero(decays["mode"] >= block.n_modes)).size:
        what = f"a decay has mode {decays['mode'][bad[0]]} of {block.n_modes}"
        yield f"{place} frame {block.frame_of(bad[0])}", what, form.REWRITE
    stops = decays["first_particle"] + decays["n_particles"]
    outside = (decays["first_particle"] < 0) | (decays["first_particle"] > block.n_particles)
    if (bad := np.flatnonzero(outside | (stops > block.n_particles))).size:
        what = f"a decay has particles up to {stops[bad[0]]} of {block.n_particles}"
        yield f"{place} frame {block.frame_of(bad[0])}", what, form.REWRITE


@ARRAY.check("warning")
def chunks(place: str, name: str, chunk: int | None) -> Iterator[Finding]:
    """Each array has the chunks of the format: smaller ones are slow to read."""
    wanted = layout.CHUNKS[name]
    if chunk != wanted:
        found = f"chunks of {chunk} elements" if chunk else "no chunks"
        yield f"{place}/{name}", f"has {found}, not chunks of {wanted}", "write the file with ktrig's writer"


@WORDS.check("warning")
def silent(place: str, n_words: int, header: SpillHeader) -> Iterator[Finding]:
    """Each detector has primitives, if there are frames: lines that require one without never fire."""
    if n_words == 0 and header.n_frames > 0:
        yield place, "has no primitives", "nothing to do if the detector was off"


@IDS.check("warning")
def zero(place: str, _name: str, ids: IdCounts, _profile: Experiment | None) -> Iterator[Finding]:
    """No primitive has the ID 0: the L0 processor discards such."""
    if n := ids.counts[0]:
        what = f"first of {n} primitives with ID 0"
        yield f"{place} frame {ids.first_frame[0]}", what, "leave them out"


@IDS.check("warning")
def bits(place: str, name: str, ids: IdCounts, profile: Experiment | None) -> Iterator[Finding]:
    """Each bit that is set in a physics primitive has a name in the profile: no condition can use another."""
    if profile is None or name not in profile.inputs:
        return
    detector = profile.find(name)
    seen = np.flatnonzero(ids.counts[: 1 << CALIBRATION_BIT])
    unnamed = unnamed_bits(int(np.bitwise_or.reduce(seen, initial=0)), detector)
    if unnamed:
        affected = seen[seen & sum(1 << bit for bit in unnamed) != 0]
        n, first = ids.counts[affected].sum(), ids.first_frame[affected].min()
        what = f"first of {n} primitives whose {unnamed_text(unnamed, profile.name)}"
        yield f"{place} frame {first}", what, "name them in a profile and give it with --experiment"
