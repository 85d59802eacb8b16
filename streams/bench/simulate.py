"""The benchmark of the simulation: decays of a nominal beam through all L0 detectors, on one core."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.bench.timing import time_in_turn
from streams.catalogue import load_experiment
from streams.simulate.settings import SimulationSettings
from streams.simulate.simulation import Piece, SpillSimulation
from trigger.clock import FRAME_S
from trigger.frames import BLOCK_FRAMES
from trigger.particles import M_KAON_GEV, M_PI0_GEV, M_PION_GEV

EXPERIMENT: Final = "na62"
SEED: Final = 1
REPETITIONS: Final = 7
BLOCKS: Final = 4
DURATION_S: Final = BLOCKS * BLOCK_FRAMES * FRAME_S
PLANES_MM: Final = (183_508.0, 194_066.0, 204_459.0, 218_885.0, 238_131.5, 241_093.0)
"""Where the numpy baseline follows particles to: straws, hodoscope, calorimeter."""

NS: Final = 1e9


def bench_simulate(repetitions: int = REPETITIONS, seed: int = SEED) -> dict[str, Any]:
    """Time the first pass over four blocks at the experiment's nominal intensity, halo and accidentals off.

    A decay counts if it made a hit in some L0 detector. numpy is timed on as many K+ -> pi+ pi0, pi0 -> gamma
    gamma, their kinematics and crossings of six planes only: no detector, no time, no primitive.
    """
    experiment = load_experiment(EXPERIMENT)
    simulation = SpillSimulation(
        SimulationSettings(
            experiment.beam.nominal_intensity_mhz, DURATION_S, seed, flat=True, accidentals=0.0, halo=0.0
        ),
        experiment,
    )
    pieces: list[Piece] = []

    def simulate() -> None:
        pieces[:] = [simulation.first(index) for index in range(simulation.n_blocks)]

    simulate()
    made = np.sum([piece.made for piece in pieces], axis=0)
    decays, seen = int(made[:, 0].sum()), int(made[:, 2].sum())
    rng = np.random.default_rng(seed)
    ours, baseline = time_in_turn([simulate, lambda: numpy_decays(rng, seen)], repetitions)
    duration_s = simulation.n_frames * FRAME_S
    return {
        "benchmark": "simulate",
        "intensity_mhz": simulation.settings.intensity_mhz,
        "duration_s": duration_s,
        "decays": decays,
        "decays_seen": seen,
        "primitives": sum(len(s.words) for piece in pieces for s in piece.block.streams.values()),
        "repetitions": repetitions,
        "seed": seed,
        "seconds": ours.median,
        "seconds_min": ours.least,
        "seconds_max": ours.most,
        "decays_per_s": seen / ours.median,
        "ns_per_decay": ours.median / seen * NS,
        "realtime_factor": duration_s / ours.median,
        "numpy_ns_per_decay": baseline.median / seen * NS,
        "numpy_ratio": baseline.median / ours.median,
    }


def numpy_decays(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return where the products of `n` decays K+ -> pi+ pi0, pi0 -> gamma gamma cross the planes: x and y in mm.

    float64[planes, 3, n, 2], with the beam along z and no magnet.
    """
    kaon = _along_z(rng.normal(75.0, 0.75, n), M_KAON_GEV)
    energy = (M_KAON_GEV**2 + M_PION_GEV**2 - M_PI0_GEV**2) / (2 * M_KAON_GEV)
    direction = _isotropic(rng, n) * np.sqrt(energy**2 - M_PION_GEV**2)
    pion = _boosted(np.vstack([direction, np.full(n, energy)]), kaon, M_KAON_GEV)
    pi0 = kaon - pion
    photon = _isotropic(rng, n) * (M_PI0_GEV / 2)
    first = _boosted(np.vstack([photon, np.full(n, M_PI0_GEV / 2)]), pi0, M_PI0_GEV)
    vertex = rng.uniform(102_400.0, 237_000.0, n)
    slopes = np.array([[p[0] / p[2], p[1] / p[2]] for p in (pion, first, pi0 - first)])
    return np.array([np.moveaxis(slopes * (z - vertex), 1, 2) for z in PLANES_MM])


def _along_z(momentum: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    zero = np.zeros(len(momentum))
    return np.vstack([zero, zero, momentum, np.hypot(momentum, mass)])


def _isotropic(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    cosine, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    sine = np.sqrt(1 - cosine**2)
    return np.vstack([sine * np.cos(phi), sine * np.sin(phi), cosine])


def _boosted(p: NDArray[np.float64], frame: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """Boost float64[4, n] (px, py, pz, E) from the rest frame of a particle into the frame where it has `frame`."""
    along = (p[:3] * frame[:3]).sum(axis=0)
    energy = (frame[3] * p[3] + along) / mass
    factor = (along / (frame[3] + mass) + p[3]) / mass
    return np.vstack([p[:3] + frame[:3] * factor, energy])
