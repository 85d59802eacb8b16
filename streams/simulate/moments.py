"""When something happens: the decays and other sources of a frame, each with a seed of its own.

A frame's moments depend on the spill's seed, the frame's number and the beam alone. So any frame can be drawn at any
time, by any worker, and what begins in one frame and is seen in the next is the same for both.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from streams.simulate import chance
from trigger.clock import LSB_PER_FRAME
from trigger.jit import kernel, named

MOMENTS: Final = np.uint64(1)
"""What a seed is for: see `chance.seed_of`. The others are in `second_pass`."""


class Pulse(NamedTuple):
    """The beam in time: a modulation 1 + amplitude * sin(phase + frequency * t), t in LSB since SOB."""

    amplitude: float
    frequency: float
    phase: float


class Moments(NamedTuple):
    """Moments of one frame: LSB since the frame began, source, seed; each of the same capacity."""

    time: NDArray[np.float64]
    source: NDArray[np.int64]
    seed: NDArray[np.uint64]


PULSE: Final = named(Pulse)
MOMENT_LIST: Final = named(Moments)


def new_moments(capacity: int) -> Moments:
    """Make room for the moments of a frame."""
    return Moments(np.zeros(capacity), np.zeros(capacity, np.int64), np.zeros(capacity, np.uint64))


@kernel(types.float64(PULSE, types.int64, types.float64))
def modulation(pulse: Any, frame: int, time: float) -> float:
    """Return the beam at `time` LSB of a frame, as a multiple of the frame's mean."""
    if pulse.amplitude == 0.0:
        return 1.0
    began = frame * LSB_PER_FRAME % (2.0 * np.pi / pulse.frequency)
    return 1.0 + pulse.amplitude * np.sin(pulse.phase + pulse.frequency * (began + time))


@kernel(
    types.int64(types.uint64, types.int64, types.float64, PULSE, types.float64[::1], MOMENT_LIST),
    allocates=True,
)
def draw_moments(seed: Any, frame: int, rate: float, pulse: Any, shares: Any, moments: Any) -> int:
    """Draw the moments of a frame in order of time; return their number, -1 when there is no room for them.

    rate: of all sources, per LSB, mean of the frame. shares: float64[n_sources], cumulative, the last is 1. A Poisson
    process; its modulation by thinning.
    """
    if rate <= 0.0:
        return 0
    rng = np.empty(1, np.uint64)
    rng[0] = chance.seed_of(seed, MOMENTS, np.uint64(frame))
    times, sources, seeds = moments.time, moments.source, moments.seed
    spacing = 1.0 / (rate * (1.0 + pulse.amplitude))
    time, n = spacing * chance.exponential(rng), 0
    while time < LSB_PER_FRAME:
        if pulse.amplitude == 0.0 or (
            chance.uniform(rng) * (1.0 + pulse.amplitude) < modulation(pulse, frame, time)
        ):
            if n == len(times):
                return -1
            draw, source = chance.uniform(rng), 0
            while draw >= shares[source]:
                source += 1
            times[n], sources[n], seeds[n] = time, source, chance.bits(rng)
            n += 1
        time += spacing * chance.exponential(rng)
    return n
