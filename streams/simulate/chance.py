"""Random numbers that begin anew at each particle, so that any one of them can be simulated again.

A state is uint64[1]. The generator is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and a mixing
function, so a state may start anywhere. Seeds are mixed from what they belong to: the spill's seed, a purpose, a
number.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.jit import kernel

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
MIX_2: Final = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = (np.uint64(n) for n in (30, 27, 31, 11))
TO_UNIT: Final = 2.0**-53


@kernel("uint64(uint64)")
def mix(x: Any) -> Any:
    """Return a well mixed image of 64 bits, one to one."""
    z = (x ^ (x >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@kernel("uint64(uint64, uint64, uint64)")
def seed_of(seed: Any, purpose: Any, number: Any) -> Any:
    """Return the state that belongs to the thing `number` of a purpose in the spill of a seed."""
    return mix(mix(mix(seed + GOLDEN) ^ (purpose + GOLDEN)) ^ (number + GOLDEN))


@kernel("uint64(uint64[::1])")
def bits(state: Any) -> Any:
    """Draw 64 random bits."""
    state[0] += GOLDEN
    return mix(state[0])


@kernel("float64(uint64[::1])")
def uniform(state: Any) -> float:
    """Draw from [0, 1)."""
    return np.float64(bits(state) >> S11) * TO_UNIT


@kernel("float64(uint64[::1])")
def exponential(state: Any) -> float:
    """Draw from an exponential distribution of mean 1."""
    return -np.log(1.0 - uniform(state))


@kernel("float64(uint64[::1])")
def normal(state: Any) -> float:
    """Draw from a normal distribution of mean 0 and standard deviation 1 (Marsaglia's polar method)."""
    while True:
        x, y = 2.0 * uniform(state) - 1.0, 2.0 * uniform(state) - 1.0
        r2 = x * x + y * y
        if 0.0 < r2 < 1.0:
            return x * np.sqrt(-2.0 * np.log(r2) / r2)


@kernel("int64(uint64[::1], float64)")
def poisson(state: Any, mean: float) -> int:
    """Draw from a Poisson distribution, by adding intervals: for means up to some tens."""
    n, left = 0, mean - exponential(state)
    while left > 0.0:
        n += 1
        left -= exponential(state)
    return n
