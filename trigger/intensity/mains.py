"""The frequency of the mains during a spill, from the lines that it makes in the beam.

Europe's mains wander by some 0.02 Hz, a line at 600 Hz by twelve times as much: that is its width in a plateau of
3 s, and an amplitude at exactly 600 Hz would be lost. The lines move together, so that a strong one tells where the
others are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.intensity.bins import Floats

MAINS_HZ: Final = 50.0

RANGE_HZ: Final = 0.15
"""How far from MAINS_HZ it is looked for: the standard range of the European grid is 0.05 Hz to either side."""

STEP_HZ: Final = 1e-3

SEGMENT_S: Final = 0.2
"""Time over which a line at 600 Hz cannot turn by more than 0.36 against where it is looked for."""

LEAST_S: Final = 1.0
"""In a shorter plateau lines are wider than the mains wander."""

GAIN: Final = 10.0
"""Logarithm of the likelihood to gain against MAINS_HZ: noise alone gains as much once in some thousand spills. Where
less is to be gained, a line that is ten errors high is taken too low by one error at most."""


def find_mains(ripple: Floats, t: Floats, noise: Mapping[int, float]) -> float | None:
    """Return the frequency at which the lines together are strongest, None if it is not told from MAINS_HZ.

    ripple: float64[n], (I - <I>) / <I> at the times t, float64[n], equally spaced, in s. noise: mean amplitude
    without a line, by multiple of the mains. With noise of a known size the sum of the powers is the logarithm of
    the likelihood.
    """
    per_segment = round(SEGMENT_S / (t[1] - t[0])) if len(t) > 1 else 0
    n = len(t) // per_segment if per_segment else 0
    if n * SEGMENT_S < LEAST_S or not all(noise.values()):
        return None
    ripple, t = ripple[: n * per_segment], t[: n * per_segment]
    middles = t.reshape(n, per_segment).mean(axis=1)
    offsets = np.arange(-RANGE_HZ, RANGE_HZ + STEP_HZ / 2, STEP_HZ)
    power = np.zeros(len(offsets))
    for multiple, mean_amplitude in noise.items():
        turned = ripple * np.exp(-2j * np.pi * multiple * MAINS_HZ * t)
        segments: NDArray[np.complex128] = turned.reshape(n, per_segment).mean(axis=1)
        phases = np.exp(-2j * np.pi * multiple * np.multiply.outer(offsets, middles))
        amplitudes = 2 * np.abs((phases * segments).mean(axis=1))
        # A mean square is 4 / pi of the square of the mean (Rayleigh's distribution).
        power += amplitudes**2 / (4 / np.pi * mean_amplitude**2)
    best = int(np.argmax(power))
    if power[best] - power[len(power) // 2] < GAIN or not 0 < best < len(power) - 1:
        return None
    left, middle, right = power[best - 1 : best + 2]
    return MAINS_HZ + float(offsets[best] + STEP_HZ * (left - right) / (left - 2 * middle + right) / 2)
