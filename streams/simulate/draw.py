"""Poisson decays on the intensity profile, and the smeared times of what they fire.

A hit is one int64, `(time << 16) | id`, time in LSB since the block began; it may be negative.
"""

from typing import Any, Final

import numpy as np

from trigger.jit import kernel

HIT_ID_BITS: Final = 16


@kernel(
    "boolean(npy_rng, float64[::1], float64[::1], float64[::1], float64[::1], int32[::1], uint16[:, ::1],"
    " float64[::1], float64, int64, int64[:, ::1], int64[::1])"
)
def draw_hits(
    rng: Any,
    edges: Any,
    rates: Any,
    turn: Any,
    accept: Any,
    alias: Any,
    ids: Any,
    resolution: Any,
    reach: float,
    origin: int,
    hits: Any,
    counts: Any,
) -> bool:
    """Append the hits of all decays between `edges[0]` and `edges[-1]` to `hits`, in the decays' order.

    edges: float64[n + 1], LSB since `origin`, which is in LSB since the block began. rates: float64[n],
    decays per LSB between two edges. turn: [amplitude, angular frequency per LSB, phase at the origin] of a
    modulation, drawn by thinning. accept, alias: the alias table of the outcomes. ids: uint16[outcomes,
    detectors]. resolution: float64[detectors] in LSB; a deviation is cut off at `reach`. hits:
    int64[detectors, capacity]. counts: int64[detectors], hits so far, updated. Returns False when the
    capacity is not enough.
    """
    amplitude, frequency, phase = turn[0], turn[1], turn[2]
    n_outcomes, n_detectors, capacity = len(accept), len(resolution), hits.shape[1]
    for segment in range(len(rates)):
        if rates[segment] <= 0:
            continue
        spacing = 1 / (rates[segment] * (1 + amplitude))
        # A Poisson process has no memory: each segment begins anew.
        time = edges[segment] + spacing * rng.standard_exponential()
        while time < edges[segment + 1]:
            kept = True
            if amplitude > 0:
                kept = rng.random() * (1 + amplitude) < 1 + amplitude * np.sin(phase + frequency * time)
            if kept:
                draw = rng.random() * n_outcomes
                row = min(int(draw), n_outcomes - 1)
                if draw - row >= accept[row]:
                    row = alias[row]
                for d in range(n_detectors):
                    if ids[row, d] == 0:
                        continue
                    if counts[d] >= capacity:
                        return False
                    shift = resolution[d] * rng.standard_normal()
                    at = origin + np.int64(np.floor(time + min(max(shift, -reach), reach)))
                    hits[d, counts[d]] = (at << 16) | np.int64(ids[row, d])
                    counts[d] += 1
            time += spacing * rng.standard_exponential()
    return True
