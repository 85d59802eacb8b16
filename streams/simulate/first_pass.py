"""The first pass over a block: everything that happens in it, as hits of the L0 detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from streams.simulate.detectors.hit import COUNTS, HITS, move, overflows, remember, total
from streams.simulate.happening import SCRATCH, WORLD, happen
from streams.simulate.moments import draw_moments
from streams.simulate.near import FRAMES
from streams.simulate.stack import Z
from trigger.clock import LSB_PER_FRAME
from trigger.jit import kernel


@kernel(types.boolean(WORLD, SCRATCH, FRAMES, HITS, COUNTS, types.int64[:, ::1]))
def first_pass(world: Any, scratch: Any, frames: Any, hits: Any, counts: Any, made: Any) -> bool:
    """Append the hits of the L0 detectors in a block, and of its neighbouring frames: what is seen may begin there.

    Times are in LSB since the block began. made: int64[n_modes, 3], raised by the decays of the block's own
    frames: all, those in the fiducial volume, and those that some detector saw. Returns False when there is no room.
    """
    rng, stack, clusters, tables = scratch.rng, scratch.stack, scratch.clusters, world.tables
    times, sources, seeds = scratch.moments.time, scratch.moments.source, scratch.moments.seed
    first, last = world.apparatus.fiducial_mm[0], world.apparatus.fiducial_mm[1]
    rates = frames.rates
    before = scratch.l0_before
    remember(before, counts)
    for k in range(len(rates)):
        frame = frames.start + k
        own = frames.first <= frame < frames.first + frames.n
        n = draw_moments(np.uint64(world.seed), frame, rates[k], world.pulse, world.shares, scratch.moments)
        if n < 0:
            return False
        for m in range(n):
            rng[0] = seeds[m]
            seen = total(counts)
            mode = happen(rng, tables, world.apparatus, stack, clusters, sources[m], times[m], hits, counts)
            if mode >= 0 and own:
                made[mode, 0] += 1
                made[mode, 1] += first <= stack[0, Z] < last
                made[mode, 2] += total(counts) > seen
        if overflows(hits, counts):
            return False
        move(hits, before, counts, (frame - frames.first) * LSB_PER_FRAME)
    return True
