"""Slow, obvious twins of `trigger.intensity`, beams to try both on, and a monitor that has seen one."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from streams.catalogue import load_experiment
from streams.monitors.intensity import SpillMonitor
from streams.simulate.intensity import TURN_PERIOD_LSB, IntensityProfile, SpillShape, spill_profile
from trigger.clock import FRAME_S, LSB_PER_FRAME, TICKS_PER_FRAME, frames_in
from trigger.intensity.bins import Flags

Counts = NDArray[np.uint16]
Means = NDArray[np.float64]

CHOD_PER_PARTICLE = 0.016
NOMINAL_MHZ = 750.0
NOMINAL_S = 4.8
USUAL = SpillShape()

NA62 = load_experiment("na62")
DETECTORS = ("CHOD", "MUV3")
LINES = ("PNN", "Control")
NO_FIRINGS = np.zeros(len(LINES), np.int64)


# Beams.


def frame_times(n_frames: int, first_frame: int = 0) -> Means:
    """Middle of each frame in s since SOB."""
    return np.asarray((np.arange(first_frame, first_frame + n_frames) + 0.5) * FRAME_S, np.float64)


def poisson(rng: np.random.Generator, means: Means) -> Counts:
    return rng.poisson(means).astype(np.uint16)


def all_played(counts: NDArray[Any]) -> Flags:
    return np.ones(len(counts), np.bool_)


def frame_means(mhz: Means, per_particle: float = CHOD_PER_PARTICLE) -> Means:
    """Mean counts of frames at intensities in MHz."""
    return mhz * (1e6 * FRAME_S * per_particle)


def realistic(
    seed: int, shape: SpillShape = USUAL, duration_s: float = NOMINAL_S, duty: float = 0.9
) -> IntensityProfile:
    """A spill as the simulation makes it."""
    rng = np.random.default_rng(seed)
    return spill_profile(NOMINAL_MHZ, frames_in(duration_s), NOMINAL_S, duty, rng, shape)


def profile_means(profile: IntensityProfile, per_particle: float = CHOD_PER_PARTICLE) -> Means:
    """Mean counts of frames: cells of the profile, and the modulation at the turn averaged over a frame."""
    means = frame_means(profile.frames_mhz(0, profile.n_frames), per_particle)
    turns = LSB_PER_FRAME / TURN_PERIOD_LSB
    phase = profile.turn_phase + 2 * np.pi * turns * (np.arange(profile.n_frames) + 0.5)
    return np.asarray(means * (1 + profile.turn_amplitude * np.sinc(turns) * np.sin(phase)))


def both(counts: Counts, other: Counts | None = None) -> Counts:
    """Counts of the two DETECTORS: uint16[2, n]."""
    return np.stack([counts, counts if other is None else other])


def beam(seed: int, duration_s: float, mean_mhz: float = NOMINAL_MHZ) -> Counts:
    """Counts of CHOD, and of another detector with half as many, in a flat beam."""
    rng = np.random.default_rng(seed)
    means = frame_means(np.full(frames_in(duration_s), mean_mhz))
    return both(poisson(rng, means), poisson(rng, means / 2))


def monitor(counts: Counts, detectors: tuple[str, ...] = DETECTORS) -> SpillMonitor:
    """A monitor that has seen a spill in one block, without triggers."""
    made = SpillMonitor(detectors, counts.shape[1], NA62, LINES)
    made.update(0, counts, NO_FIRINGS, NO_FIRINGS, 0, 0)
    return made


# Twins.


def naive_bins(counts: Sequence[int], played: Sequence[bool], width_s: float) -> list[tuple[int, int]]:
    """(counts, frames played) of each bin, a frame at a time."""
    bins: dict[int, tuple[int, int]] = {}
    for frame, (n, seen) in enumerate(zip(counts, played, strict=True)):
        i = math.floor((frame + 0.5) * FRAME_S / width_s)
        total, frames = bins.get(i, (0, 0))
        bins[i] = (total + int(n), frames + bool(seen))
    return [bins[i] for i in range(len(bins))]


def naive_duty(
    counts: Sequence[int], exposures: Sequence[float], dispersed: float = 1.0
) -> tuple[float, ...]:
    """(raw, corrected, declustered) as <I>^2 / <I^2> with the time as weight and <n^2 - D n> for <L^2>."""
    time = sum(exposures)
    mean_square = sum(counts) ** 2 / time**2
    found = []
    for d in (0.0, 1.0, dispersed):
        square = sum((n / e) ** 2 * e - d * n / e for n, e in zip(counts, exposures, strict=True)) / time
        found.append((mean_square - d * sum(counts) / time**2) / square)
    return tuple(found)


def naive_dispersion(counts: Sequence[int]) -> float:
    same = sum(n * (n - 1) for n in counts)
    next_to = sum(a * b for a, b in pairwise(counts))
    return 1 + (same - next_to) / sum(counts)


def rayleigh(counts: Counts, f_hz: float, first_frame: int = 0) -> complex:
    """2 sum n exp(-2 pi i f t) / N with the middles of frames for t, what a frame takes off given back."""
    t = frame_times(len(counts), first_frame)
    total = complex((counts * np.exp(-2j * np.pi * f_hz * t)).sum())
    return 2 * total / int(counts.sum(dtype=np.int64)) / float(np.sinc(f_hz * FRAME_S))


def naive_lines(cells: Sequence[float], t: Sequence[float], frequencies: Sequence[float]) -> list[complex]:
    """Least squares of a cubic and lines, written out a cell at a time."""
    rows = []
    for i, when in enumerate(t):
        x = 2 * i / (len(t) - 1) - 1
        angles = [2 * math.pi * f * when for f in frequencies]
        rows.append([1, x, x**2, x**3, *map(math.cos, angles), *map(math.sin, angles)])
    solution = np.linalg.lstsq(np.array(rows), np.array(cells) / np.mean(cells), rcond=None)[0]
    n = len(frequencies)
    return [complex(solution[4 + i], solution[4 + n + i]) for i in range(n)]


def turn_power(counts: Counts, period_ticks: float) -> float:
    """|sum n exp(-2 pi i f k)|^2 over frames k."""
    f = TICKS_PER_FRAME / period_ticks
    return abs(sum(int(n) * cmath.exp(-2j * math.pi * f * k) for k, n in enumerate(counts) if n)) ** 2


def naive_gaps(
    cells: Sequence[int], window: int, side: int, least_side: int, dark: float, false_gaps: float
) -> list[tuple[int, int, float]]:
    """(first cell, cell behind the last, missing cells) of gaps, a window at a time; all cells played."""
    n = len(cells)
    places = range(least_side, n - window - least_side + 1)
    covered: list[tuple[int, int]] = []
    for i in places:
        inside = sum(cells[i : i + window]) / window
        before, behind = cells[max(i - side, 0) : i], cells[i + window : i + window + side]
        if inside <= dark * min(np.mean(before), np.mean(behind)) * (1 + 1e-12):
            if covered and i <= covered[-1][1]:
                covered[-1] = (covered[-1][0], i + window)
            else:
                covered.append((i, i + window))
    found = []
    for a, b in covered:
        before, behind = cells[max(a - side, 0) : a], cells[b : b + side]
        if min(len(before), len(behind)) < least_side:
            continue
        beside = before if np.mean(before) <= np.mean(behind) else behind
        seen, expected = sum(cells[a:b]), float(np.mean(beside)) * (b - a)
        chance = binom.cdf(seen, seen + sum(beside), (b - a) / (b - a + len(beside)))
        if expected > 0 and chance * len(places) <= false_gaps:
            found.append((a, b, (b - a) * (1 - seen / expected)))
    return found


def naive_runs(rates: Sequence[float], at_least: float, least: int) -> list[tuple[int, int, float]]:
    """(first, number, sum of rate - 1) of runs of rates."""
    found, start = [], None
    for i, rate in enumerate([*rates, 0.0]):
        if rate >= at_least and start is None:
            start = i
        elif rate < at_least and start is not None:
            if i - start >= least:
                found.append((start, i - start, sum(r - 1 for r in rates[start:i])))
            start = None
    return found


def naive_gtk(hits: Sequence[int]) -> tuple[float, float, float]:
    """(mean MHz, raw and corrected duty factor) of the hits of single triggers."""
    n = len(hits)
    mean = sum(hits) / n
    variance = sum((h - mean) ** 2 for h in hits) / n
    own = mean - 3
    return own / 0.135, mean**2 / (mean**2 + variance), own**2 / (own**2 + variance - 3 * own)
