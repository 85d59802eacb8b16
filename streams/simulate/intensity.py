"""Beam intensity along the spill: a pure function of its mean, its length and a random generator.

Shape and size of each feature are those of NA62's bursts: I. Skillicorn's beam-quality notes, and one burst
of calorimeter primitives (run 8764, burst 500), in which the duty factor after Poisson subtraction is 0.87,
0.93 and 0.97 in bins of 5, 20 and 100 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_S, LSB_PER_TICK
from trigger.intensity.duty import duty_factor

Floats = NDArray[np.float64]

CELL_FRAMES: Final = 8
"""Frames of constant intensity: 51 us, far below the period of the fastest harmonic (1.7 ms)."""

CELL_S: Final = CELL_FRAMES * FRAME_S

DUTY_BIN_S: Final = 5e-3
"""Bins in which the duty factor of a spill is quoted."""

TURN_PERIOD_LSB: Final = 924.04 * LSB_PER_TICK
"""A turn of the SPS, 23.06 us (43.4 kHz), as measured in ticks in run 8764."""

FULL_SPILL: Final = 5 / 6
"""A spill shorter than this part of the nominal one (4 s of 4.8) is a piece of the plateau."""

MIN_PLATEAU_S: Final = 0.5
"""A shorter piece is cut out of one this long, because a duty factor in 5 ms bins needs many bins."""


MAX_WIDTH: Final = 3.0
"""Width of the logarithm above which a lognormal beam is a few bright cells."""

BISECTIONS: Final = 30
"""Halvings that find the width: to 3e-9."""


@dataclass(frozen=True)
class SpillShape:
    """The features of a spill; amplitudes are relative to the mean.

    Of the harmonics only that 100 Hz dominates is published. The residual is lognormal with correlation time
    `residual_s`, which gives the measured fall of its variance from 5 to 20 ms bins; its size follows from
    the duty factor asked for. Gaps of 1 ms occur in real bursts; their rate here is chosen.
    """

    rise_s: float = 0.15
    decline_s: float = 0.10
    fall: float = 0.27
    harmonics: tuple[tuple[float, float], ...] = (
        (10.0, 0.05),
        (50.0, 0.08),
        (100.0, 0.10),
        (150.0, 0.05),
        (300.0, 0.03),
        (600.0, 0.03),
    )
    residual_s: float = 5e-3
    turn_amplitude: float = 0.05
    gaps_per_s: float = 0.2
    gap_s: tuple[float, float] = (0.5e-3, 2e-3)
    spike_probability: float = 0.07
    spike_start_s: float = 0.29
    spike_s: float = 0.04
    spike_factor: tuple[float, float] = (2.0, 3.0)


@dataclass(frozen=True)
class IntensityProfile:
    """Intensity along a spill.

    cells_mhz: float64[ceil(n_frames / CELL_FRAMES)], intensity of each cell of frames. On top of it the beam
    is modulated with the period TURN_PERIOD_LSB by `turn_amplitude`, starting at `turn_phase` radians.
    """

    n_frames: int
    cells_mhz: Floats
    turn_amplitude: float
    turn_phase: float

    def frames_mhz(self, first: int, stop: int) -> Floats:
        """Intensity in MHz of each frame from `first` to before `stop`: float64[stop - first]."""
        return self.cells_mhz[np.arange(first, stop) // CELL_FRAMES]

    def mean_mhz(self) -> float:
        """Mean intensity over the frames of the spill."""
        return _mean_over_frames(self.cells_mhz, self.n_frames)


def flat_profile(mean_mhz: float, n_frames: int) -> IntensityProfile:
    """Return a beam of constant intensity."""
    return IntensityProfile(n_frames, np.full(_n_cells(n_frames), float(mean_mhz)), 0.0, 0.0)


def spill_profile(
    mean_mhz: float,
    n_frames: int,
    nominal_spill_s: float,
    duty: float,
    rng: np.random.Generator,
    shape: SpillShape = SpillShape(),
) -> IntensityProfile:
    """Return a realistic spill of `n_frames` frames with the mean intensity `mean_mhz`.

    duty: the duty factor in 5 ms bins of the plateau, reached unless the other features are already worse.
    A spill shorter than FULL_SPILL of the nominal one is a piece of the middle of the plateau.
    """
    n_cells = _n_cells(n_frames)
    whole = n_frames * FRAME_S >= FULL_SPILL * nominal_spill_s
    t = _cell_times(n_cells if whole else max(n_cells, round(MIN_PLATEAU_S / CELL_S)))
    length_s = len(t) * CELL_S
    if whole:
        fall, plateau = 1 - shape.fall * t / length_s, (t > shape.rise_s) & (t < length_s - shape.decline_s)
    else:
        fall = 1 - shape.fall * (0.5 + (t - length_s / 2) / nominal_spill_s)
        plateau = np.ones(len(t), bool)
    cells = fall * _ripple(t, shape, rng) * _gap_mask(t, shape, rng)
    cells *= _residual(cells, plateau, duty, shape, rng)
    spike = _spike(t, shape, rng)
    if whole:
        cells *= spike * np.clip(t / shape.rise_s, 0, 1) * np.clip((length_s - t) / shape.decline_s, 0, 1)
    cells = cells[:n_cells]
    cells *= mean_mhz / _mean_over_frames(cells, n_frames)
    return IntensityProfile(n_frames, cells, shape.turn_amplitude, float(rng.uniform(0, 2 * np.pi)))


def _n_cells(n_frames: int) -> int:
    return -(-n_frames // CELL_FRAMES)


def _cell_times(n_cells: int) -> Floats:
    """Middle of each cell in seconds since the spill began."""
    return np.asarray((np.arange(n_cells) + 0.5) * CELL_S, np.float64)


def _mean_over_frames(cells: Floats, n_frames: int) -> float:
    surplus = len(cells) * CELL_FRAMES - n_frames
    return float(np.sum(cells) * CELL_FRAMES - cells[-1] * surplus) / n_frames


def _ripple(t: Floats, shape: SpillShape, rng: np.random.Generator) -> Floats:
    ripple = np.ones(len(t))
    for frequency_hz, amplitude in shape.harmonics:
        ripple += amplitude * np.sin(2 * np.pi * frequency_hz * t + rng.uniform(0, 2 * np.pi))
    return ripple


def _gap_mask(t: Floats, shape: SpillShape, rng: np.random.Generator) -> Floats:
    mask = np.ones(len(t))
    length_s = len(t) * CELL_S
    for start in rng.uniform(0, length_s, rng.poisson(shape.gaps_per_s * length_s)):
        mask[(t > start) & (t < start + rng.uniform(*shape.gap_s))] = 0
    return mask


def _spike(t: Floats, shape: SpillShape, rng: np.random.Generator) -> Floats:
    occurs, factor = rng.random() < shape.spike_probability, rng.uniform(*shape.spike_factor)
    inside = (t > shape.spike_start_s) & (t < shape.spike_start_s + shape.spike_s)
    return np.where(inside & occurs, factor, 1.0)


def _residual(
    cells: Floats, plateau: NDArray[np.bool_], duty: float, shape: SpillShape, rng: np.random.Generator
) -> Floats:
    """Return a lognormal factor per cell that brings the plateau of `cells` to the duty factor `duty`."""
    memory = float(np.exp(-CELL_S / shape.residual_s))
    steps = rng.standard_normal(len(cells))
    steps[1:] *= np.sqrt(1 - memory**2)
    walk = np.fromiter(accumulate(steps.tolist(), lambda x, step: memory * x + step), np.float64, len(cells))

    def reached(width: float) -> float:
        return duty_factor(_duty_bins((cells * np.exp(width * walk))[plateau]))

    low, high = 0.0, MAX_WIDTH
    if reached(low) <= duty:
        return np.ones(len(cells))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) > duty else (low, middle)
    return np.asarray(np.exp(low * walk))


def _duty_bins(cells: Floats) -> Floats:
    per_bin = round(DUTY_BIN_S / CELL_S)
    n_bins = len(cells) // per_bin
    return np.asarray(cells[: n_bins * per_bin].reshape(n_bins, per_bin).mean(axis=1))
