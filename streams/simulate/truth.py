"""The truth of a decay, as records."""

from __future__ import annotations

from typing import Any

from numba import types

from streams.simulate.found import DECAYS, FOUND, PARTICLES
from streams.simulate.stack import MOTHER, PX, STACK, X, count, pdg_of
from trigger.jit import kernel


@kernel(types.boolean(STACK, types.int64, types.int64, types.int64, types.int64, types.boolean, FOUND))
def keep_truth(stack: Any, time: int, origin: int, mode: int, fired: int, wrong: bool, found: Any) -> bool:
    """Append a decay and its products; False when there is no room.

    time: LSB since its frame began, which is `origin` since the block began. fired: bit i for L0 detector i.
    wrong: its beam track is another's.
    """
    d, first, n = found.n[DECAYS], found.n[PARTICLES], count(stack) - 1
    if d >= len(found.decays) or first + n > len(found.particles):
        return False
    record = found.decays[d]
    found.decay_time[d] = origin + time
    record["time"] = time
    record["mode"] = mode
    record["fired"] = fired
    record["wrong_beam"] = wrong
    record["n_particles"] = n
    record["first_particle"] = first
    record["pdg"] = pdg_of(stack, 0)
    for axis in range(3):
        record["vertex_mm"][axis] = stack[0, X + axis]
        record["p_gev"][axis] = stack[0, PX + axis]
    for row in range(1, n + 1):
        product = found.particles[first + row - 1]
        product["time"] = time
        product["mother"] = int(stack[row, MOTHER]) - 1
        product["pdg"] = pdg_of(stack, row)
        for axis in range(3):
            product["vertex_mm"][axis] = stack[row, X + axis]
            product["p_gev"][axis] = stack[row, PX + axis]
    found.n[DECAYS] += 1
    found.n[PARTICLES] += n
    return True
