"""The refit on a simulated spill with nominal pile-up, against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from simulated import simulate

from streams.catalogue import load_menu
from streams.spill.reader import SpillReader
from streams.stages.hits import HitFile
from trigger.l1.decision import TRACK_FIELDS
from trigger.l1.processor import AlgorithmRunner
from trigger.l1.program import compile_program
from trigger.l1.straw.geometry import CHAMBER_Z_MM, MAGNET_MM
from trigger.l1.straw.points import views_covering
from trigger.particles import ELECTRON, MUON, PION

pytestmark = pytest.mark.needs_jit

CHARGED = (PION, MUON, ELECTRON)

P, DY, Y, DX, X, DX_AFTER, X_AFTER, Z, CDA = range(len(TRACK_FIELDS))

KICK_GEV = 0.270

NEAR_LSB = 15
"""A decay 1.5 ns from a trigger is the one that fired it."""

LAST_MM = 180_000.0
"""Decays behind it may miss the first chamber."""

BEAM = 114.0, 0.0012


@dataclass(frozen=True)
class Flight:
    """A charged particle through the magnet: momentum in GeV, slopes, and position at the magnet's centre in mm."""

    p_gev: float
    x: float
    y: float
    dx: float
    dy: float
    dx_after: float

    @classmethod
    def of(cls, particle: np.void) -> Flight:
        px, py, pz = (float(v) for v in particle["p_gev"])
        vx, vy, vz = (float(v) for v in particle["vertex_mm"])
        charge = np.sign(int(particle["pdg"])) * (1 if abs(int(particle["pdg"])) == PION else -1)
        dx, dy = px / pz, py / pz
        p = float(np.sqrt(px * px + py * py + pz * pz))
        # The magnet takes KICK from the horizontal momentum of a positive particle.
        after = (px - charge * KICK_GEV) / pz
        return cls(p, vx + dx * (MAGNET_MM - vz), vy + dy * (MAGNET_MM - vz), dx, dy, after)

    def at(self, z: float) -> tuple[float, float]:
        dz = z - MAGNET_MM
        return self.x + (self.dx if dz < 0 else self.dx_after) * dz, self.y + self.dy * dz

    def in_acceptance(self) -> bool:
        """Whether all chambers can see it, well away from their edges, in three views or more."""
        return all(
            min(views_covering(c, x + d, y + e) for d in (-4, 4) for e in (-4, 4)) >= 3
            for c, (x, y) in enumerate(self.at(z) for z in CHAMBER_Z_MM)
        )

    def closest_z_mm(self) -> float:
        """z at which the true track is closest to the beam line."""
        dx, mx = self.x - BEAM[0], self.dx - BEAM[1]
        return MAGNET_MM - (dx * mx + self.y * self.dy) / (mx * mx + self.dy * self.dy)


@dataclass
class Found:
    """Single tracks in acceptance: how many there are, and how many were found."""

    wanted: int = 0
    found: int = 0


@pytest.fixture(scope="module")
def nominal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nominal") / "nominal.h5"
    simulate(
        path, "--intensity", "750", "--duration", "0.012", "--flat", "--seed", "5", "--truth", "fiducial"
    )
    return path


def compare(path: Path) -> tuple[Found, NDArray[np.float64]]:
    """Run STRAW on every trigger with one charged particle from its decay; compare with the truth.

    Returns the counts, and of each track found: p measured / p true - 1, and z less that of the true track, and less
    that of the decay.
    """
    menu, _ = load_menu("na62-2018")
    runner = AlgorithmRunner(compile_program(menu))
    found, rows = Found(), []
    with SpillReader(path) as reader, HitFile(path) as hits:
        n_frames = reader.header.n_frames
        triggers = reader.optional.read_records("readout", 0, n_frames)
        times = triggers.times_lsb()
        # DV-mu runs nothing but STRAW.
        answers = runner.run(hits.events(times), np.full(len(times), 1 << 6, np.uint16))
        decays = reader.optional.read_records("truth/decays", 0, n_frames)
        particles = reader.optional.read_records("truth/particles", 0, n_frames).records
        decay_times = decays.times_lsb()
    for e, time in enumerate(times):
        low, high = np.searchsorted(decay_times, (time - NEAR_LSB, time + NEAR_LSB + 1))
        if high - low != 1:
            continue
        decay = decays.records[low]
        first = int(decay["first_particle"])
        own = particles[first : first + int(decay["n_particles"])]
        charged = [p for p in own if abs(int(p["pdg"])) in CHARGED]
        # One that decays in flight is two particles with different slopes.
        if len(charged) != 1:
            continue
        flight = Flight.of(charged[0])
        if decay["vertex_mm"][2] > LAST_MM or not flight.in_acceptance() or not 5.0 < flight.p_gev < 80.0:
            continue
        tracks = answers.tracks[answers.first_track[e] : answers.first_track[e + 1]]
        found.wanted += 1
        near = [
            t
            for t in tracks
            if np.hypot(t[X] - flight.x, t[Y] - flight.y) < 25 and abs(t[DX] - flight.dx) < 2e-3
        ]
        if near:
            t = near[0]
            found.found += 1
            z = float(t[Z])
            rows.append(
                (abs(t[P]) / 1e3 / flight.p_gev - 1, z - flight.closest_z_mm(), z - decay["vertex_mm"][2])
            )
    return found, np.array(rows)


def test_the_refit_finds_and_measures_single_tracks_in_nominal_pile_up(nominal: Path) -> None:
    found, rows = compare(nominal)
    assert found.wanted > 500
    assert found.found / found.wanted > 0.99
    low, high = np.percentile(rows[:, 0], [15.87, 84.13])
    assert (high - low) / 2 < 0.01
    # The beam has a width, which no line of its axis knows: the true track's closest approach is what can be found.
    ordinary = np.abs(rows[:, 1]) < 15_000
    assert ordinary.mean() > 0.98
    assert rows[ordinary, 1].std() < 1500
