"""What happens at one moment: a beam particle decays, a halo muon passes, a detector fires alone.

Both passes over a spill draw the same moments and begin each with its own seed, so the second repeats what the first
did, and no particle is kept between them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.simulate.apparatus import Apparatus
from streams.simulate.beam import beam_particle
from streams.simulate.decays.decay import decay
from streams.simulate.detectors.background import accidental, halo_muon
from streams.simulate.detectors.hit import N_L0, N_L1
from streams.simulate.detectors.l0_hits import l0_hits
from streams.simulate.detectors.lkr import MAX_CLUSTERS
from streams.simulate.detectors.transport import transport
from streams.simulate.moments import Moments, Pulse, new_moments
from streams.simulate.stack import new_stack, set_count
from trigger.jit import Matrix, inline, named
from trigger.particles import KAON, PION

KAONS, PIONS, HALO, ACCIDENTALS = range(4)
"""Sources of moments; ACCIDENTALS + d is the accidental hit of L0 detector d."""

NO_DECAY: Final = -1


class World(NamedTuple):
    """What does not change during a spill.

    shares: float64[n_sources], cumulative shares of the sources in the moments. tables: of decays.
    """

    seed: int
    pulse: Pulse
    shares: NDArray[np.float64]
    tables: Matrix
    apparatus: Apparatus


class Scratch(NamedTuple):
    """What a worker writes into over and over: random state, particles and LKr clusters, moments, numbers of hits."""

    rng: NDArray[np.uint64]
    stack: Matrix
    clusters: Matrix
    moments: Moments
    l0_before: NDArray[np.int64]
    l1_before: NDArray[np.int64]


WORLD: Final = named(World)
SCRATCH: Final = named(Scratch)


def new_scratch(moments: int) -> Scratch:
    """Make the scratch of a worker, with room for the moments of a frame."""
    return Scratch(
        np.zeros(1, np.uint64),
        new_stack(),
        np.zeros((MAX_CLUSTERS + 1, 4)),
        new_moments(moments),
        np.zeros(N_L0, np.int64),
        np.zeros(N_L1, np.int64),
    )


@inline
def happen(
    rng: Any,
    tables: Any,
    apparatus: Any,
    stack: Any,
    clusters: Any,
    source: int,
    time: float,
    hits: Any,
    counts: Any,
) -> int:
    """Let one moment of a source happen, whose seed is the state of `rng`: append its hits of L0 detectors.

    Returns the decay's mode, NO_DECAY if it is none.
    """
    mode = NO_DECAY
    if source >= ACCIDENTALS:
        set_count(stack, 0)
        clusters[MAX_CLUSTERS, 0] = 0
        accidental(rng, apparatus.background, source - ACCIDENTALS, time, hits, counts)
    else:
        if source == HALO:
            halo_muon(rng, apparatus.background, stack)
        else:
            beam_particle(
                rng, apparatus.beam, apparatus.magnet, KAON if source == KAONS else PION, True, stack
            )
            mode = decay(rng, tables, stack)
        transport(rng, apparatus, stack)
        l0_hits(rng, apparatus, stack, clusters, time, hits, counts)
    return mode
