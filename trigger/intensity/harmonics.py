"""Lines in the spectrum of the beam at fixed frequencies: the mains and a slow one.

The Rayleigh amplitude of a line, A = 2 |sum exp(2 pi i f t)| / N over the times t of N counts, takes whatever else
there is at f for the line: the rise and fall of a spill leak into 10 Hz. Here the plateau is fitted with a smooth
trend and all the lines at once (least squares; with full periods and no trend that is Rayleigh's amplitude), so that
neither is taken for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.fft import rfft

from trigger.clock import FRAME_S
from trigger.intensity.bins import Flags, Floats, sum_between
from trigger.intensity.mains import MAINS_HZ, find_mains

SLOW_HZ: Final = 10.0
MULTIPLES: Final = (1, 2, 3, 6, 12)
"""Harmonics of the mains that occur in slowly extracted beams; 100 Hz is the strongest in NA62's notes."""

FREQUENCIES_HZ: Final = (SLOW_HZ, *(k * MAINS_HZ for k in MULTIPLES))

LEAST_PERIODS: Final = 3
"""Periods that a line must have in what was played of the plateau; with fewer it is like the trend."""

CELL_FRAMES: Final = 32
"""Frames that are summed, 0.2 ms. That takes 2.5% off a line at 600 Hz, which is given back."""

TREND: Final = 3
"""Degree of the trend: a cubic follows the slow fall of a plateau, and nothing of three periods."""

NEAREST, FARTHEST = 2, 20
"""Neighbours of a line, in units of 1 / (length of the plateau), that give the noise. Nearer ones are the line's."""

FEWEST: Final = 8
"""Neighbours that give the noise; with fewer, counting does."""


@dataclass(frozen=True)
class Harmonic:
    """A line I = <I> (1 + amplitude cos(2 pi f t - phase)); None where the plateau is too short.

    t: since the middle of the plateau, where the phase does not depend on what f is taken to be. measured_hz: where
    the line was looked for. error: of the amplitude, from neighbouring frequencies. noise: mean
    amplitude without a line, from neighbouring frequencies; counting_noise: that of counts alone, sqrt(pi / N).
    """

    frequency_hz: float
    measured_hz: float | None = None
    amplitude: float | None = None
    error: float | None = None
    noise: float | None = None
    counting_noise: float | None = None
    phase: float | None = None
    phase_error: float | None = None


@dataclass(frozen=True)
class _Cells:
    """Counts in cells of CELL_FRAMES: float64[n]; which were played whole: bool[n]; their middles in s."""

    counts: Floats
    used: Flags
    t: Floats

    @property
    def length_s(self) -> float:
        return len(self.t) * CELL_FRAMES * FRAME_S

    @property
    def used_s(self) -> float:
        return int(self.used.sum()) * CELL_FRAMES * FRAME_S

    @property
    def mean(self) -> float:
        return float(self.counts[self.used].mean())


@dataclass(frozen=True)
class _Fit:
    """Lines fitted to cells: complex128[n] amplitudes, their errors in units of those of white noise, the rest."""

    lines: NDArray[np.complex128]
    stretch: Floats
    rest: Floats


@dataclass(frozen=True)
class _Noise:
    """Mean square amplitudes without lines: at multiples of 1 / length_s, float64[n], and of counting."""

    length_s: float
    power: Floats
    counting: float

    def level(self, f: float) -> float:
        """Return that at f, from its neighbours."""
        # What is slower than the trend was taken away with it.
        k = np.arange(TREND // 2 + 1, len(self.power))
        distance = np.abs(k - f * self.length_s)
        near = k[(distance >= NEAREST) & (distance <= FARTHEST)]
        return float(self.power[near].mean()) if len(near) >= FEWEST else self.counting


def harmonics(frame_counts: NDArray[np.uint16], played: Flags) -> tuple[tuple[Harmonic, ...], float | None]:
    """Measure the lines in the frames of the plateau; return them and the frequency of the mains.

    frame_counts: uint16[n]. played: bool[n]. The mains' frequency is found from the lines themselves and the lines
    looked for at its multiples (`trigger.intensity.mains`); None: not told from 50 Hz.
    """
    cells = _cells(frame_counts, played)
    found = _measure(cells, MAINS_HZ)
    noise = {k: line.noise for k, line in zip(MULTIPLES, found[1:], strict=True) if line.noise is not None}
    if len(noise) < len(MULTIPLES):
        return found, None
    ripple = (cells.counts / cells.mean - 1) * cells.used / cells.used.mean()
    mains_hz = find_mains(ripple, cells.t, noise)
    return (found if mains_hz is None else _measure(cells, mains_hz)), mains_hz


def _cells(frame_counts: NDArray[np.uint16], played: Flags) -> _Cells:
    n = len(frame_counts) // CELL_FRAMES
    first = np.arange(n + 1) * CELL_FRAMES
    t = (first[:-1] + CELL_FRAMES / 2 - len(frame_counts) / 2) * FRAME_S
    whole = sum_between(played, first) == CELL_FRAMES
    counts = sum_between(frame_counts, first) * whole.astype(np.float64)
    return _Cells(counts, whole, np.asarray(t, np.float64))


def _measure(cells: _Cells, mains_hz: float) -> tuple[Harmonic, ...]:
    measured_hz = (SLOW_HZ, *(k * mains_hz for k in MULTIPLES))
    first = sum(f * cells.used_s < LEAST_PERIODS for f in measured_hz)
    if first == len(measured_hz) or not cells.counts.any():
        return tuple(Harmonic(f) for f in FREQUENCIES_HZ)
    fit = _fit(cells, measured_hz[first:])
    noise = _Noise(cells.length_s, _spectrum(cells, fit), 4 / float(cells.counts.sum()))
    return tuple(Harmonic(f) for f in FREQUENCIES_HZ[:first]) + tuple(
        _harmonic(name_hz, f, fit.lines[i], fit.stretch[i], noise)
        for i, (name_hz, f) in enumerate(zip(FREQUENCIES_HZ[first:], measured_hz[first:], strict=True))
    )


def _fit(cells: _Cells, frequencies: Sequence[float]) -> _Fit:
    """Fit trend + sum of (c cos(2 pi f t) + s sin(2 pi f t)), relative to the mean; line = c + i s."""
    x = np.linspace(-1, 1, len(cells.t))
    angle = 2 * np.pi * np.multiply.outer(np.array(frequencies), cells.t)
    columns = np.concatenate([legendre.legvander(x, TREND).T, np.cos(angle), np.sin(angle)])
    design = columns * cells.used
    # No matrix products: BLAS takes all cores for them, and how it adds depends on their number.
    inverse = np.linalg.inv(np.einsum("ik,jk->ij", design, design))
    values = cells.counts / cells.mean
    solution = inverse @ np.einsum("ik,k->i", design, values)
    c, s = np.split(solution[TREND + 1 :], 2)
    c_variance, s_variance = np.split(np.diag(inverse)[TREND + 1 :], 2)
    white = 2 / cells.used.sum()
    stretch = np.sqrt((c_variance + s_variance) / 2 / white)
    return _Fit(c + 1j * s, stretch, values * cells.used - np.einsum("i,ik->k", solution, design))


def _spectrum(cells: _Cells, fit: _Fit) -> Floats:
    """Return the mean square amplitude of what is neither trend nor line, at multiples of 1 / length."""
    return np.asarray(np.abs(2 * rfft(fit.rest) / cells.used.sum()) ** 2, np.float64)


def _harmonic(name_hz: float, f: float, line: complex, stretch: float, noise: _Noise) -> Harmonic:
    """Put together a line; noise of the mean square amplitude P has the mean amplitude sqrt(pi P / 4)."""
    level = noise.level(f)
    given_back = 1 / np.sinc(f * CELL_FRAMES * FRAME_S)
    amplitude, error = abs(line) * given_back, np.sqrt(level / 2) * stretch * given_back
    return Harmonic(
        frequency_hz=name_hz,
        measured_hz=f,
        amplitude=float(amplitude),
        error=float(error),
        noise=float(np.sqrt(np.pi / 4 * level) * given_back),
        counting_noise=float(np.sqrt(np.pi / 4 * noise.counting)),
        phase=float(np.angle(line)),
        phase_error=float(min(error / amplitude, np.pi)) if amplitude > 0 else None,
    )
