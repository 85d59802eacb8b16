"""Candidates of simulated spills, with the lines that passed and the decays that they are of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.catalogue import load_menu
from streams.efficiency.acceptance import in_fiducial
from streams.efficiency.asked import without_factors
from streams.efficiency.matching import match
from streams.spill.reader import SpillReader
from trigger.l0.triggers import CONTROL_WORD
from trigger.l1.events import build_events
from trigger.l1.processor import AlgorithmRunner, L1Processor
from trigger.l1.program import compile_program
from trigger.menu import Menu
from trigger.reconstruct.candidates import KINDS
from trigger.reconstruct.reconstructor import Objects, Reconstructor
from trigger.reconstruct.tracks import Tracks
from trigger.records import Records
from trigger.searches.search import Search

PIECE_FRAMES = 2048
"""Frames that are taken at once."""

FIDUCIAL_MM = (105_000.0, 180_000.0)

CONTROL_BIT = 16

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SearchSample:
    """The triggers of a spill file, in order.

    candidates: by kind, `event` is the place among all triggers. passed: int64[n], bit i if mask i fired and L1
    passes it, bit 16 for the control trigger, after the file's downscaling. decay: int64[n], place of the decay
    that the trigger is of, -1 without one. decays, particles: the truth. modes: of the truth, by name.
    """

    candidates: Mapping[str, NDArray[np.void]]
    passed: Ints
    decay: Ints
    decays: Records
    particles: Records
    modes: Mapping[str, Mapping[str, Any]]
    menu: Menu

    def taken(self, search: Search, lines: Collection[str] = ()) -> tuple[Ints, NDArray[np.float64]]:
        """Return the triggers that a search takes, and their observable. lines: by default the search's own."""
        some = self.candidates[search.kind]
        observable = np.empty(len(some))
        search.select(some, observable)
        rows = [row for row, line in self.menu.rows if line.name in (lines or search.lines)]
        word = sum(1 << row for row in rows)
        kept = ~np.isnan(observable) & ((self.passed[some["event"]] & word) != 0)
        return some["event"][kept].astype(np.int64), observable[kept]

    def mode_of(self, events: Ints) -> NDArray[np.str_]:
        """Return the names of the modes of decays that triggers are of, '-' without a decay."""
        names = np.array([*self.modes, "-"])
        decay = self.decay[events]
        return np.asarray(names[np.where(decay >= 0, self.decays["mode"].astype(np.int64)[decay], -1)])

    @cached_property
    def fiducial(self) -> NDArray[np.bool_]:
        """Which decays are in the fiducial volume."""
        return in_fiducial(self.decays, FIDUCIAL_MM)

    def made(self, mode: str) -> int:
        """Return how many decays of a mode were made in the fiducial volume."""
        return int(self.modes[mode]["generated_fiducial"])


def read_sample(path: Path, menu: str = "na62-2018") -> SearchSample:
    """Run L1 and the reconstruction on all triggers of a simulated file; `menu`: that of the file, for its lines."""
    loaded, _experiment = load_menu(menu)
    with SpillReader(path) as reader:
        truth = reader.optional.truth
        assert truth is not None
        pieces = [*_pieces(reader, loaded)]
        decays = reader.optional.read_records("truth/decays", 0, reader.header.n_frames)
        particles = reader.optional.read_records("truth/particles", 0, reader.header.n_frames).records
    times = np.concatenate([piece[0] for piece in pieces])
    lengths = np.cumsum([0, *(len(piece[0]) for piece in pieces)])
    candidates = {}
    for kind in KINDS:
        parts = [piece[2][kind] for piece in pieces]
        for part, base in zip(parts, lengths, strict=False):
            part["event"] += base
        candidates[kind] = np.concatenate(parts)
    return SearchSample(
        candidates,
        np.concatenate([piece[1] for piece in pieces]),
        _decay_of(times, decays.times_lsb(), decays.records),
        decays.records,
        particles,
        {str(mode["name"]): mode for mode in truth.modes},
        loaded,
    )


def _decay_of(times: Ints, decays_lsb: Ints, decays: Records) -> Ints:
    """Return the decay of each trigger: one to one, of those decays that made hits in the RICH or the CHOD."""
    hit = np.flatnonzero(decays["fired"] & 0b11)
    order = np.argsort(times, kind="stable")
    own = match(decays_lsb[hit], times[order])
    found = np.full(len(times), -1)
    found[order[own[own >= 0]]] = hit[own >= 0]
    return found


def _straw_alone() -> Menu:
    """Return a menu whose one line asks for STRAW alone."""
    menu, _experiment = load_menu("na62-2018")
    line = menu.line[0]
    return menu.model_copy(update={"line": (line.model_copy(update={"l1": line.l1[-1:]}),)})


def _pieces(reader: SpillReader, menu: Menu) -> Iterator[tuple[Ints, Ints, dict[str, NDArray[np.void]]]]:
    """Yield times, passed words and candidates of runs of frames."""
    bare = without_factors(menu)
    judge = L1Processor(bare)
    runner = AlgorithmRunner(compile_program(_straw_alone()))
    reconstructor = Reconstructor()
    parts, n_frames = reader.optional, reader.header.n_frames
    assert parts.readout is not None
    for first in range(0, n_frames, PIECE_FRAMES):
        stop = min(first + PIECE_FRAMES, n_frames)
        low, high = max(first - 1, 0), min(stop + 1, n_frames)
        readout = parts.read_records("readout", first, stop - first)
        times = readout.times_lsb()
        if not len(times):
            continue
        hits = {name: parts.read_hits(name, low, high - low) for name in parts.hits}
        events = build_events(times, hits, parts.readout.windows, n_frames)
        flags, words = readout.records["flags"].copy(), readout.records["word"].astype(np.uint8)
        conclusions, _ = judge.process(events, flags, words)
        control = (words & CONTROL_WORD != 0).astype(np.int64) << CONTROL_BIT
        passed = conclusions.passed.astype(np.int64) | control
        # For all triggers, whatever their lines ask for.
        a = runner.run(events, np.ones(len(times), np.uint16))
        objects = Objects(
            *(parts.read_records(kind, low, high - low) for kind in ("beam", "clusters", "rings"))
        )
        found = reconstructor.reconstruct(
            events, (passed != 0).astype(np.uint8), Tracks(a.first_track, a.tracks, a.n_tracks), objects
        )
        yield times, passed, {kind: getattr(found, kind).copy() for kind in KINDS}
