"""One piece of a spill: its decays, and what L0 and L1 say of each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.efficiency.acceptance import PINUNU, in_fiducial, in_pinunu, products_of
from streams.efficiency.asked import Asked
from streams.efficiency.matching import match
from streams.efficiency.settled import SettledEntries
from streams.spill.reader import SpillReader
from trigger.clock import FRAME_BITS
from trigger.l0.entries import CONTROL_TAG, REFERENCE_TAG, Entries
from trigger.l0.triggers import ACCOUNTS, PHYSICS_WORD
from trigger.l1.events import build_events
from trigger.l1.processor import L1Processor
from trigger.menu import N_MASKS
from trigger.records import Records

COUNTED: Final = (ACCOUNTS.index("downscaled"), ACCOUNTS.index("triggers"))
"""Fates of entries whose firings the downscaling counters saw; others are skipped, or in the tick of a trigger."""

MASKS: Final = (1 << N_MASKS) - 1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Decays in acceptance, and for each a word of bits by row of the menu (16: control).

    mode: int64[n]. momentum_gev, vertex_m, intensity_mhz: float64[n], of the fastest charged product, the decay, the
    beam. fired: int64[n], before downscaling. kept: after downscaling. read: and read out. passed: and accepted by
    L1 (never bit 16).
    """

    mode: Ints
    momentum_gev: Floats
    vertex_m: Floats
    intensity_mhz: Floats
    fired: Ints
    kept: Ints
    read: Ints
    passed: Ints

    def __len__(self) -> int:
        return len(self.mode)

    def where(self, chosen: NDArray[np.bool_]) -> Sample:
        """Return some of the decays (bool[n])."""
        return Sample(*(getattr(self, field.name)[chosen] for field in fields(Sample)))


class Sampler:
    """Takes samples of a spill, run of frames after run of frames; it holds one run in memory.

    L1 runs without the factors that depend on the order of events, so its answer is that to one event alone.
    """

    def __init__(self, asked: Asked, reader: SpillReader) -> None:
        self._asked, self._reader, self._parts = asked, reader, reader.optional
        self._entries = SettledEntries(reader, asked.menu, asked.experiment)
        self._l1 = L1Processor(asked.l1_menu)
        find = asked.experiment.find
        self._reference = find(asked.menu.l0.reference).index
        self._control = find(asked.menu.control.detector).index if asked.menu.control else None
        cells = self._parts.intensity_mhz()
        assert cells is not None
        self._mhz, self._cell_frames = cells

    def take(self, first: int, stop: int) -> Sample:
        """Return the decays of a half-open range of frames; ranges follow each other."""
        # A decay at a seam may have its entry, or a competitor for it, behind it.
        low, high = max(first - 1, 0), min(stop + 1, self._reader.header.n_frames)
        entries = self._entries.between(low, high)
        stream = self._parts.read_records("truth/decays", low, high - low)
        decays, times = stream.records, stream.times_lsb()
        particles = self._parts.read_records("truth/particles", low, high - low).records
        products = products_of(decays, particles, str(self._reader.path))
        frames = times >> FRAME_BITS
        counted = (frames >= first) & (frames < stop) & in_fiducial(decays, self._asked.fiducial_mm)
        counted &= np.isin(decays["mode"], [mode for mode, _ in self._asked.modes])
        narrow = [mode for mode, acceptance in self._asked.modes if acceptance == PINUNU]
        counted &= ~np.isin(decays["mode"], narrow) | in_pinunu(products, particles)
        chosen = np.flatnonzero(counted)
        return Sample(
            decays["mode"][chosen].astype(np.int64),
            products.size_gev[chosen],
            decays["vertex_mm"][chosen, 2] * 1e-3,
            self._mhz[frames[chosen] // self._cell_frames],
            *self._words(entries, decays, times, chosen, low, high),
        )

    def _words(
        self, entries: Entries, decays: Records, times: Ints, chosen: Ints, low: int, high: int
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Return the words of the chosen decays: fired, kept, read, passed."""
        readout = self._parts.read_records("readout", low, high - low).times_lsb()
        read_out = np.isin(entries.time_lsb, readout)
        seen = np.isin(entries.fate, COUNTED)
        words = np.zeros((4, len(chosen)), np.int64)
        for tag, detector, rows in (
            (REFERENCE_TAG, self._reference, MASKS),
            (CONTROL_TAG, self._control, 1 << N_MASKS),
        ):
            if detector is None:
                continue
            own = _own(entries, tag, decays, times, detector)[chosen]
            mine, of = np.flatnonzero(own >= 0), own[own >= 0]
            fired, kept = entries.fired[of].astype(np.int64) & rows, entries.kept[of].astype(np.int64) & rows
            words[0, mine] |= np.where(seen[of], fired, 0)
            words[1, mine] |= kept
            words[2, mine] |= np.where(read_out[of], kept, 0)
            if tag == REFERENCE_TAG:
                judged = np.unique(of[read_out[of] & (kept != 0)])
                passed = np.zeros(len(entries), np.int64)
                passed[judged] = self._judge(entries, judged, low, high)
                words[3, mine] = passed[of]
        return words[0], words[1], words[2], words[3]

    def _judge(self, entries: Entries, judged: Ints, low: int, high: int) -> Ints:
        """Return the masks that L1 passes, int64[n], of entries that were read out."""
        if len(judged) == 0:
            return np.zeros(0, np.int64)
        times = np.ascontiguousarray(entries.time_lsb[judged])
        hits = {name: self._parts.read_hits(name, low, high - low) for name in self._asked.l1_detectors}
        events = build_events(times, hits, self._asked.windows, self._reader.header.n_frames)
        flags = np.ascontiguousarray(entries.kept[judged] & MASKS).astype(np.uint16)
        conclusions, _ = self._l1.process(events, flags, np.full(len(times), PHYSICS_WORD, np.uint8))
        return conclusions.passed.astype(np.int64)


def _own(entries: Entries, tag: int, decays: Records, times: Ints, detector: int) -> Ints:
    """Return the place of each decay's own entry with a tag, int64[n], -1 without one; see `match`."""
    tagged = np.flatnonzero(entries.tags & tag)
    tagged = tagged[np.argsort(entries.time_lsb[tagged], kind="stable")]
    hit = np.flatnonzero(decays["fired"] >> detector & 1)
    found = match(times[hit], entries.time_lsb[tagged])
    own = np.full(len(times), -1)
    own[hit[found >= 0]] = tagged[found[found >= 0]]
    return own
