"""What is read out of one block: from trigger times to hits, records and truth, sorted into frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.beam import decays_per_particle
from streams.simulate.bystanders import PER_TICK_MHZ, bystanders, count_hits
from streams.simulate.detectors.gtk import STATIONS
from streams.simulate.detectors.hit import (
    CHOD,
    IRCSAC,
    KTAG,
    L0_NAMES,
    L1_NAMES,
    LAV,
    LAV12,
    MUV3,
    N_L0,
    N_L1,
    NEWCHOD,
    STRAW,
)
from streams.simulate.found import BEAMS, CLUSTERS, DECAYS, PARTICLES, PASSING, RINGS, Found, new_found
from streams.simulate.near import Frames, Near
from streams.simulate.readout import Readout
from streams.simulate.second_pass import second_pass
from streams.simulate.settings import TRUTHS
from streams.simulate.windows import Intervals, inside, intervals, pack_windows
from streams.spill.extras import SpillExtras
from trigger.clock import FRAME_BITS, LSB_NS, LSB_PER_FRAME, LSB_PER_TICK
from trigger.frames import FrameStream
from trigger.l0.triggers import Triggers
from trigger.l1.events import lsb_of
from trigger.records import READOUT, Records, RecordStream

if TYPE_CHECKING:
    from streams.simulate.simulation import SpillSimulation

GTK: Final = "GTK"
BEAM_WINDOWS: Final = ("KTAG", GTK)
"""Windows for which the beam that does not decay is made."""

LATEST_NS, EARLIEST_NS = 230.0, 15.0
"""How long after its decay a hit may come (the trailing edge of a straw), and how long before."""

ANSWER_NS: Final = 15.0
"""A decay that fired so near to a trigger has its truth kept: the windows of L0 and the resolutions."""

SPARE: Final = 4096
"""Records of a kind beyond the expected number for which there is room, to begin with."""

ROOM: Final = 12
"""Hits of a detector for each record of a kind, to begin with."""


def frame_offsets(frames: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Offsets int64[n_frames + 1] of items in the frames given (int64[n], sorted, 0 to n_frames - 1)."""
    offsets = np.zeros(n_frames + 1, np.int64)
    np.cumsum(np.bincount(frames, minlength=n_frames), out=offsets[1:])
    return offsets


def packed_hits(hits: NDArray[np.int64], ranges: Intervals, first: int, n_frames: int) -> FrameStream:
    """Make a stream of the hits (see `draw`) that lie in the intervals; both in LSB since frame `first`."""
    offsets, words = np.empty(n_frames + 1, np.int64), np.empty(len(hits), np.uint32)
    n = pack_windows(hits, ranges, offsets, words)
    return FrameStream(first, offsets, words[:n].copy())


def packed_records(
    times: NDArray[np.int64], records: Records, ranges: Intervals, first: int, n_frames: int
) -> RecordStream:
    """The same for records: sort by time, keep those in the intervals, set their time in the frame."""
    kept = inside(times, ranges) & (times >= 0) & (times < n_frames * LSB_PER_FRAME)
    order = np.argsort(times[kept], kind="stable")
    times, records = times[kept][order], records[kept][order]
    records["time"] = times & (LSB_PER_FRAME - 1)
    return RecordStream(first, frame_offsets(times >> FRAME_BITS, n_frames), records)


class SecondLook:
    """What one readout takes of a simulation's blocks."""

    def __init__(self, simulation: SpillSimulation, readout: Readout) -> None:
        self._simulation = simulation
        self._readout = readout
        beam = simulation.apparatus.beam
        kaons, pions = decays_per_particle(beam)
        protons = 1.0 - beam.kaon_fraction - beam.pion_fraction
        self._survivors = (beam.kaon_fraction - kaons, beam.pion_fraction - pions, protons)
        half = simulation.apparatus.gtk.window_ns / 2
        self._gtk_window = lsb_of((-half, half))

    def make(self, frames: Frames, triggers: Triggers) -> SpillExtras:
        """Return hits and records of a block, given the triggers whose windows can reach into it."""
        origin = frames.first * LSB_PER_FRAME
        times = triggers.time_lsb - origin
        near, ticks = self._near(times)
        found = self._find(frames, near, ticks)
        hits = self._hits(found, frames, times)
        records = self._records(found, frames, times)
        records["readout"] = self._readout_records(
            frames, triggers, np.sort(found.passing[: found.n[PASSING]])
        )
        return SpillExtras(hits, records)

    def _near(self, times: NDArray[np.int64]) -> tuple[Near, NDArray[np.int64]]:
        """Where to look again around trigger times, and the ticks whose beam is made."""
        begin, end = self._readout.span_lsb
        late, early = (round(ns / LSB_NS) for ns in (LATEST_NS, EARLIEST_NS))
        windows = [lsb_of(self._readout.windows[name]) for name in BEAM_WINDOWS]
        windows.append(self._gtk_window)
        first, last = min(w[0] for w in windows), max(w[1] for w in windows)
        near = Near(
            attention=intervals(times, min(begin, first) - late, max(end, last) + early),
            answers=intervals(times, *lsb_of((-ANSWER_NS, ANSWER_NS))),
            gtk=intervals(times, *lsb_of(self._readout.windows[GTK])),
        )
        beam = intervals(times, first - early, last + early)
        ticks = [np.arange(low // LSB_PER_TICK, -(-high // LSB_PER_TICK)) for low, high in beam]
        return near, np.unique(np.concatenate(ticks)) if ticks else np.zeros(0, np.int64)

    def _find(self, frames: Frames, near: Near, ticks: NDArray[np.int64]) -> Found:
        simulation = self._simulation
        keep = TRUTHS.index(simulation.settings.truth)
        looked = np.diff(near.attention, axis=1).sum()
        share = 1.0 if keep else min(looked / (frames.n * LSB_PER_FRAME), 1.0)
        moments = frames.rates.sum() * LSB_PER_FRAME * share + len(ticks) * frames.mhz.max() * PER_TICK_MHZ
        room = int(moments) + SPARE
        while True:
            scratch = simulation.scratch(frames)
            found = new_found(N_L0, N_L1, ROOM * room, room)
            if bystanders(
                simulation.world, scratch, frames, near, self._survivors, ticks, found
            ) and second_pass(
                simulation.world, scratch, frames, near, keep, simulation.catalogue.signal, found
            ):
                return found
            room *= 2

    def _hits(self, found: Found, frames: Frames, times: NDArray[np.int64]) -> dict[str, FrameStream]:
        l0 = [found.l0[d, : found.l0_n[d]] for d in range(N_L0)]
        l1 = [found.l1[d, : found.l1_n[d]] for d in range(N_L1)]
        read = {
            L1_NAMES[KTAG]: l1[KTAG],
            L0_NAMES[CHOD]: l0[CHOD],
            L0_NAMES[NEWCHOD]: l0[NEWCHOD],
            L1_NAMES[LAV]: np.concatenate([l1[LAV], l0[LAV12]]),
            L1_NAMES[IRCSAC]: l1[IRCSAC],
            L1_NAMES[STRAW]: l1[STRAW],
            L0_NAMES[MUV3]: l0[MUV3],
        }
        return {
            name: packed_hits(hits, self._readout.intervals(name, times), frames.first, frames.n)
            for name, hits in read.items()
        }

    def _records(self, found: Found, frames: Frames, times: NDArray[np.int64]) -> dict[str, RecordStream]:
        n = found.n
        records = {}
        for kind, window, when, what, which in (
            ("beam", GTK, found.beam_time, found.beam, BEAMS),
            ("clusters", "LKr", found.cluster_time, found.clusters, CLUSTERS),
            ("rings", "RICH", found.ring_time, found.rings, RINGS),
        ):
            ranges = self._readout.intervals(window, times)
            records[kind] = packed_records(when[: n[which]], what[: n[which]], ranges, frames.first, frames.n)
        decays, particles = found.decays[: n[DECAYS]].copy(), found.particles[: n[PARTICLES]].copy()
        decay_frames = found.decay_time[: n[DECAYS]] >> FRAME_BITS
        particle_frames = np.repeat(decay_frames, decays["n_particles"])
        for kind, what, where in (
            ("truth/decays", decays, decay_frames),
            ("truth/particles", particles, particle_frames),
        ):
            records[kind] = RecordStream(frames.first, frame_offsets(where, frames.n), what)
        return records

    def _readout_records(
        self, frames: Frames, triggers: Triggers, passing: NDArray[np.int64]
    ) -> RecordStream:
        """The triggers of the block's own frames, with the GTK hits in their windows."""
        first = frames.first * LSB_PER_FRAME
        own = (triggers.time_lsb >= first) & (triggers.time_lsb < first + frames.n * LSB_PER_FRAME)
        times = triggers.time_lsb[own] - first
        records = np.zeros(len(times), READOUT)
        records["time"], records["flags"] = times & (LSB_PER_FRAME - 1), triggers.flags[own]
        records["word"] = triggers.word[own]
        begin, end = self._gtk_window
        particles = np.searchsorted(passing, times + end) - np.searchsorted(passing, times + begin)
        hits = np.zeros((len(times), STATIONS), np.uint16)
        count_hits(self._simulation.world, triggers.time_lsb[own], particles, hits)
        records["gtk_hits"] = hits
        return RecordStream(frames.first, frame_offsets(times >> FRAME_BITS, frames.n), records)
