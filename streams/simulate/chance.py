"""Random numbers that begin anew at each particle, so that any one of them can be simulated again.

A state is uint64[1]. The generator is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and a mixing
function, so a state may start anywhere. Seeds are mixed from what they belong to: the spill's seed, a purpose, a
number.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.jit import kernel

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
MIX_2: Final = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = (np.uint64(n) for n in (30, 27, 31, 11))
TO_UNIT: Final = 2.0**-53


LAYERS: Final = 128
LAYER_MASK: Final = np.uint64(LAYERS - 1)
EDGE: Final = 3.442619855899
"""Where the tail of the ziggurat begins, and with it the area of a layer: J. A. Doornik, An improved ziggurat
method to generate normal random samples (2005)."""
AREA: Final = 9.91256303526217e-3


def _edges() -> NDArray[np.float64]:
    """Right edges of the layers, from the lowest, which has the tail, to the top: float64[LAYERS + 1]."""
    edges = np.zeros(LAYERS + 1)
    height = np.exp(-0.5 * EDGE * EDGE)
    edges[0], edges[1] = AREA / height, EDGE
    for i in range(2, LAYERS):
        edges[i] = np.sqrt(-2.0 * np.log(AREA / edges[i - 1] + height))
        height = np.exp(-0.5 * edges[i] * edges[i])
    return edges


EDGES: Final = _edges()
INSIDE: Final = EDGES[1:] / EDGES[:-1]
"""Part of a layer that lies under the curve for certain."""


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
    """Draw from a normal distribution of mean 0 and standard deviation 1 (ziggurat)."""
    while True:
        word = bits(state)
        layer = np.int64(word & LAYER_MASK)
        u = 2.0 * (np.float64(word >> S11) * TO_UNIT) - 1.0
        if abs(u) < INSIDE[layer]:
            return u * EDGES[layer]
        if layer == 0:
            # The tail beyond the first edge: G. Marsaglia, Technometrics 6 (1964) 101.
            while True:
                x, y = -exponential(state) / EDGE, -exponential(state)
                if -2.0 * y >= x * x:
                    return EDGE - x if u > 0.0 else x - EDGE
        x = u * EDGES[layer]
        upper = np.exp(-0.5 * (EDGES[layer] * EDGES[layer] - x * x))
        lower = np.exp(-0.5 * (EDGES[layer + 1] * EDGES[layer + 1] - x * x))
        if lower + uniform(state) * (upper - lower) < 1.0:
            return x


@kernel("int64(uint64[::1], float64)")
def poisson(state: Any, mean: float) -> int:
    """Draw from a Poisson distribution, by multiplying uniform numbers (Knuth): for means up to some hundreds."""
    n, product, limit = 0, uniform(state), np.exp(-mean)
    while product > limit:
        n += 1
        product *= uniform(state)
    return n


def generator(seed: int) -> np.random.Generator:
    """Return numpy's generator for what is drawn once a spill: its intensity."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(0,))))
