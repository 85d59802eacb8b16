"""The second pass over a block: what is near a trigger happens again, and leaves hits, records and truth."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.gtk import gtk_track, wrong_probability
from streams.simulate.detectors.hit import move, overflows, remember
from streams.simulate.detectors.l1_hits import cluster_records, l1_hits, ring_records
from streams.simulate.detectors.straw import straw_noise
from streams.simulate.found import BEAMS, CLUSTERS, FOUND, PASSING, RINGS
from streams.simulate.happening import KAONS, PIONS, SCRATCH, WORLD, happen
from streams.simulate.moments import draw_moments, modulation
from streams.simulate.near import FRAMES, NEAR, covers, touches
from streams.simulate.settings import FIDUCIAL, SIGNAL, TRUTHS
from streams.simulate.stack import Z
from streams.simulate.truth import keep_truth
from trigger.clock import LSB_PER_FRAME
from trigger.jit import kernel

NOISE: Final = np.uint64(2)
"""What a seed is for, see `chance.seed_of`."""

KEEP_SIGNAL, KEEP_FIDUCIAL = TRUTHS.index(SIGNAL), TRUTHS.index(FIDUCIAL)


@kernel(types.boolean(WORLD, SCRATCH, FRAMES, NEAR, types.int64, types.boolean[::1], FOUND))
def second_pass(world: Any, scratch: Any, frames: Any, near: Any, keep: int, signal: Any, found: Any) -> bool:
    """Find what the moments of a block and its neighbouring frames leave near the triggers.

    keep: which truth is kept beside that of triggers, a place in TRUTHS. signal: bool[n_modes], modes of the signals.
    Returns False when there is no room.
    """
    rng, stack, clusters, apparatus = scratch.rng, scratch.stack, scratch.clusters, world.apparatus
    times, sources, seeds = scratch.moments.time, scratch.moments.source, scratch.moments.seed
    attention, answers, n_found = near.attention, near.answers, found.n
    l0, l0_n, l1, l1_n = found.l0, found.l0_n, found.l1, found.l1_n
    first, last = apparatus.fiducial_mm[0], apparatus.fiducial_mm[1]
    before_l0, before_l1 = scratch.l0_before, scratch.l1_before
    remember(before_l0, l0_n)
    remember(before_l1, l1_n)
    for k in range(len(frames.rates)):
        frame = frames.start + k
        origin = (frame - frames.first) * LSB_PER_FRAME
        own = frames.first <= frame < frames.first + frames.n
        attended = touches(attention, origin, origin + LSB_PER_FRAME)
        if not attended and (keep == 0 or not own):
            continue
        n = draw_moments(
            np.uint64(world.seed), frame, frames.rates[k], world.pulse, world.shares, scratch.moments
        )
        if n < 0:
            return False
        for m in range(n):
            time, source = times[m], sources[m]
            at = origin + np.int64(time)
            close = covers(attention, at)
            if not close and not (own and keep > 0):
                continue
            rng[0] = seeds[m]
            mode = happen(rng, world.tables, apparatus, stack, clusters, source, time, l0, l0_n)
            fired = 0
            for d in range(len(l0_n)):
                fired |= (l0_n[d] > before_l0[d]) << d
                if not close:
                    l0_n[d] = before_l0[d]
            mhz = frames.mhz[k] * modulation(world.pulse, frame, time)
            wrong = mode >= 0 and chance.uniform(rng) < wrong_probability(apparatus.gtk, mhz)
            z = stack[0, Z]
            wanted = mode >= 0 and (
                (keep == KEEP_SIGNAL and signal[mode]) or (keep == KEEP_FIDUCIAL and first <= z < last)
            )
            wanted = own and mode >= 0 and (wanted or (fired != 0 and covers(answers, at)))
            if wanted and not keep_truth(stack, int(time), origin, mode, fired, wrong, found):
                return False
            if close:
                if source in (KAONS, PIONS):
                    if n_found[BEAMS] >= len(found.beam) or n_found[PASSING] >= len(found.passing):
                        return False
                    gtk_track(
                        rng, apparatus.gtk, apparatus.beam, apparatus.magnet, stack, True, wrong, time,
                        found.beam, found.beam_time, n_found[BEAMS], origin,
                    )  # fmt: skip
                    n_found[BEAMS] += 1
                    found.passing[n_found[PASSING]] = at
                    n_found[PASSING] += 1
                l1_hits(rng, apparatus, stack, time, l1, l1_n)
                n_found[CLUSTERS] = cluster_records(
                    rng,
                    apparatus.lkr,
                    clusters,
                    found.clusters,
                    found.cluster_time,
                    n_found[CLUSTERS],
                    origin,
                )
                n_found[RINGS] = ring_records(
                    rng, apparatus.rich, apparatus.magnet.z_mm, stack, time, found.rings, found.ring_time,
                    n_found[RINGS], origin,
                )  # fmt: skip
                move(l0, before_l0, l0_n, origin)
                if n_found[CLUSTERS] > len(found.clusters) or n_found[RINGS] > len(found.rings):
                    return False
        if attended:
            rng[0] = chance.seed_of(np.uint64(world.seed), NOISE, np.uint64(frame))
            straw_noise(rng, apparatus.straw, float(LSB_PER_FRAME), l1, l1_n)
        move(l1, before_l1, l1_n, origin)
        if overflows(l0, l0_n) or overflows(l1, l1_n):
            return False
    return True
