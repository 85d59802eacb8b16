"""The line of the SPS turn, 23.06 us: what is left of the bunches' structure in a beam that is not fully debunched.

The period was 924.04 ticks in NA62's run 8764. It is looked for from 920 to 928 ticks, with the counts of frames of
256 ticks: a frame is more than a quarter of a turn, which takes 12% off the amplitude; that is given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, next_fast_len
from scipy.special import ndtri_exp

from trigger.clock import FRAME_S, TICKS_PER_FRAME
from trigger.intensity.bins import Floats

SHORTEST, LONGEST = 920.0, 928.0
"""Periods in ticks that are searched."""

CHUNK: Final = 33
CHUNKS: Final = 7
"""64 periods of 924 ticks are CHUNKS chunks of CHUNK frames: one table of phases serves for all of the spill."""

MIDDLE: Final = 64 / (CHUNKS * CHUNK)
"""Periods in a frame, in the middle of what is searched."""

OVERSAMPLING: Final = 4
"""Frequencies looked at for each independent one: the peak lies near one of them."""

LEAST_S: Final = 5e-3
"""A shorter beam has not one independent frequency in the range."""

LEAST_COUNTS: Final = 100
"""With fewer the amplitude without a line would be 20% or more."""

AWAY: Final = 2
"""Independent frequencies to either side of the peak that do not give the noise."""


@dataclass(frozen=True)
class TurnLine:
    """The strongest line from 920 to 928 ticks: I = <I> (1 + amplitude cos(...)).

    error: of the amplitude. noise: mean amplitude at one frequency without a line. trials: independent frequencies in
    the range. p_value: of a peak as high anywhere in the range without a line, 0 below 1e-300; significance: the same
    in standard deviations of a Gaussian, one-sided. Without significance the amplitude is the highest of the noise.
    """

    period_ticks: float
    period_error_ticks: float
    amplitude: float
    error: float
    noise: float
    trials: float
    p_value: float
    significance: float


@dataclass(frozen=True)
class _Scan:
    """Rayleigh power |sum exp(-2 pi i f t)|^2 of counts against frequency, in periods a frame.

    series: complex128[n_chunks], the counts of chunks, turned back by MIDDLE. step: between frequencies.
    """

    series: NDArray[np.complex128]
    frequencies: Floats
    power: Floats
    step: float


def turn_line(frame_counts: NDArray[np.uint16]) -> TurnLine | None:
    """Search the turn line in the frames with beam; None if they are too few, or their counts.

    frame_counts: uint16[n], 0 where not played.
    """
    length = len(frame_counts) // (CHUNK * CHUNKS) * CHUNK * CHUNKS
    total = float(frame_counts[:length].sum(dtype=np.int64))
    if length * FRAME_S < LEAST_S or total < LEAST_COUNTS:
        return None
    scan = _scan(frame_counts[:length])
    f, power = _peak(scan, length)
    level = _noise(scan, f, length, total)
    taken = np.sinc(f) * np.sinc(CHUNK * (f - MIDDLE))
    amplitude, error = 2 * np.sqrt(power) / total / taken, np.sqrt(2 * level) / total / taken
    z = power / level
    # |sum|^2 falls as 1 - (pi length df)^2 / 3 near its top, and z is a logarithm of a likelihood.
    f_error = np.sqrt(1.5 / z) / (np.pi * length)
    trials = length * TICKS_PER_FRAME * (1 / SHORTEST - 1 / LONGEST)
    log_p = log_p_value(z, trials)
    return TurnLine(
        period_ticks=TICKS_PER_FRAME / f,
        period_error_ticks=float(TICKS_PER_FRAME / f**2 * f_error),
        amplitude=float(amplitude),
        error=float(error),
        noise=float(np.sqrt(np.pi * level) / total / taken),
        trials=trials,
        p_value=float(np.exp(log_p)),
        significance=float(max(-ndtri_exp(log_p), 0.0)),
    )


def log_p_value(z: float, trials: float) -> float:
    """Return the logarithm of the probability that noise exceeds z = |sum|^2 / <|sum|^2> somewhere in the range.

    At one frequency it is exp(-z). Over a range of frequencies the envelope of the noise crosses the height z upwards
    trials sqrt(pi z / 3) exp(-z) times in the mean (Rice, for the times of a flat beam), trials = range x length.
    """
    log_mean = -z + np.log1p(trials * np.sqrt(np.pi * z / 3))
    # 1 - exp(-mean) is the mean when it is small, also where that is less than the least number.
    return float(log_mean if log_mean < -30 else np.log(-np.expm1(-np.exp(log_mean))))


def _scan(frame_counts: NDArray[np.uint16]) -> _Scan:
    angle = 2 * np.pi * MIDDLE * np.arange(CHUNKS * CHUNK)
    counts = frame_counts.reshape(-1, CHUNKS * CHUNK).astype(np.float64)
    first = np.arange(0, len(frame_counts), CHUNK)
    real, imaginary = (
        np.add.reduceat((counts * part).ravel(), first) for part in (np.cos(angle), -np.sin(angle))
    )
    series = real + 1j * imaginary
    n = next_fast_len(OVERSAMPLING * len(series))
    step = 1 / (n * CHUNK)
    low, high = (TICKS_PER_FRAME / period - MIDDLE for period in (LONGEST, SHORTEST))
    k = np.arange(np.ceil(low / step), np.floor(high / step) + 1).astype(np.int64)
    return _Scan(series, MIDDLE + k * step, np.abs(fft(series, n)[k % n]) ** 2, step)


def _peak(scan: _Scan, length: int) -> tuple[float, float]:
    """Return frequency and power of the peak: a parabola through the three highest, then the sum at its top."""
    top = int(np.argmax(scan.power))
    f = float(scan.frequencies[top])
    if 0 < top < len(scan.power) - 1:
        left, middle, right = scan.power[top - 1 : top + 2]
        f += scan.step * float((left - right) / (left - 2 * middle + right) / 2)
    turns = (f - MIDDLE) * CHUNK * np.arange(length // CHUNK)
    return f, float(np.abs((scan.series * np.exp(-2j * np.pi * turns)).sum()) ** 2)


def _noise(scan: _Scan, f: float, length: int, total: float) -> float:
    """Return the mean power without a line: that of counts, N, or of the rest of the range if that is higher.

    So a p-value is not too small; by chance it is 1.5 times too large in the mean.

    The side lobes of a strong line outshine the noise at some frequencies, not at most: a median, which is ln 2 of
    the mean of an exponential distribution.
    """
    rest = scan.power[np.abs(scan.frequencies - f) * length > AWAY]
    return max(total, float(np.median(rest) / np.log(2))) if len(rest) else total
