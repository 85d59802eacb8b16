"""The beam that does not decay, where it is read out: its Cherenkov light in the KTAG, its tracks in the GTK.

It is drawn tick by tick, each with a seed of its own: billions of particles pass in a spill, and only those near a
trigger are made.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.beam import beam_particle
from streams.simulate.detectors.gtk import STATIONS, gtk_track, station_hits
from streams.simulate.detectors.hit import move, overflows
from streams.simulate.detectors.ktag import ktag_hits
from streams.simulate.found import BEAMS, FOUND, PASSING
from streams.simulate.happening import SCRATCH, WORLD
from streams.simulate.moments import modulation
from streams.simulate.near import FRAMES, NEAR, covers
from streams.simulate.stack import VECTOR
from trigger.clock import LSB_PER_TICK, LSB_S, TICKS_PER_FRAME
from trigger.jit import kernel
from trigger.particles import KAON, PION, PROTON

TICK_BEAM, STATION_HITS = np.uint64(3), np.uint64(4)
"""What a seed is for, see `chance.seed_of`."""

PER_TICK_MHZ: Final = 1e6 * LSB_S * LSB_PER_TICK
"""Beam particles in a tick at 1 MHz."""


@kernel(types.boolean(WORLD, SCRATCH, FRAMES, NEAR, VECTOR, types.int64[::1], FOUND), allocates=True)
def bystanders(
    world: Any, scratch: Any, frames: Any, near: Any, survivors: Any, ticks: Any, found: Any
) -> bool:
    """Let the beam pass in the given ticks: int64[n], counted from the block's first frame.

    survivors: kaons, pions and protons that do not decay, for each particle of the beam. Returns False when there
    is no room.
    """
    rng, stack, apparatus, state = scratch.rng, scratch.stack, world.apparatus, np.zeros(1, np.uint64)
    l1, l1_n, before, n_found, mhz = found.l1, found.l1_n, found.l1_n.copy(), found.n, frames.mhz
    beam, beam_time, passing, gtk = found.beam, found.beam_time, found.passing, near.gtk
    kaons, pions = survivors[0], survivors[0] + survivors[1]
    alive = pions + survivors[2]
    for tick in ticks:
        k = frames.first + tick // TICKS_PER_FRAME - frames.start
        if not 0 <= k < len(mhz):
            continue
        begin = tick * LSB_PER_TICK
        within = (tick % TICKS_PER_FRAME) * LSB_PER_TICK + 0.5 * LSB_PER_TICK
        mean = mhz[k] * modulation(world.pulse, frames.start + k, within) * PER_TICK_MHZ * alive
        state[0] = chance.seed_of(
            np.uint64(world.seed), TICK_BEAM, np.uint64(frames.first * TICKS_PER_FRAME + tick)
        )
        for _ in range(chance.poisson(state, mean)):
            rng[0] = chance.bits(state)
            draw, time = chance.uniform(rng) * alive, LSB_PER_TICK * chance.uniform(rng)
            if n_found[PASSING] >= len(passing) or n_found[BEAMS] >= len(beam):
                return False
            passing[n_found[PASSING]] = begin + np.int64(time)
            n_found[PASSING] += 1
            if draw < kaons:
                ktag_hits(rng, apparatus.ktag, time, l1, l1_n)
            if covers(gtk, begin + np.int64(time)):
                pdg = KAON if draw < kaons else (PION if draw < pions else PROTON)
                beam_particle(rng, apparatus.beam, apparatus.magnet, pdg, False, stack)
                gtk_track(
                    rng, apparatus.gtk, apparatus.beam, apparatus.magnet, stack, False, False, time, beam, beam_time,
                    n_found[BEAMS], begin,
                )  # fmt: skip
                n_found[BEAMS] += 1
        move(l1, before, l1_n, begin)
        if overflows(l1, l1_n):
            return False
    return True


@kernel(types.void(WORLD, types.int64[::1], types.int64[::1], types.uint16[:, ::1]), allocates=True)
def count_hits(world: Any, times: Any, particles: Any, counts: Any) -> None:
    """Draw the hits of each GTK station for triggers at `times` (int64[n], LSB since SOB), given the beam
    particles in their windows (int64[n]); counts: uint16[n, STATIONS], overwritten."""
    rng = np.zeros(1, np.uint64)
    for i in range(len(times)):
        rng[0] = chance.seed_of(np.uint64(world.seed), STATION_HITS, np.uint64(times[i]))
        for station in range(STATIONS):
            counts[i, station] = station_hits(rng, world.apparatus.gtk, particles[i])
