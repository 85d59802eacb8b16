"""Rates of trigger lines per beam particle: what does not change when only the intensity does."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LineRate:
    """Firings of a line before and after downscaling, and per beam particle of the spill, with Poisson errors.

    Per beam particle: None without a detector that counts them.
    """

    name: str
    before: int
    after: int
    before_per_particle: float | None = None
    before_error: float | None = None
    after_per_particle: float | None = None
    after_error: float | None = None


def line_rate(name: str, before: int, after: int, beam_counts: int, per_particle: float) -> LineRate:
    """Return a line's rates per beam particle.

    beam_counts: primitives of the detector that counts the beam; per_particle: how many of them a particle makes.
    The errors are those of the firings, of one if there are none, and of the beam's counts, taken as independent.
    Downscaling keeps every nth firing: after it the relative error is that before it, and one firing of those kept
    for the firings behind the last.
    """
    if not beam_counts:
        return LineRate(name, before, after)
    scale = per_particle / beam_counts
    behind = 0 if after == before else 1
    spread = after / math.sqrt(max(before, 1))
    return LineRate(
        name=name,
        before=before,
        after=after,
        before_per_particle=before * scale,
        before_error=scale * math.sqrt(max(before, 1) + before**2 / beam_counts),
        after_per_particle=after * scale,
        after_error=scale * math.sqrt(max(spread**2 + behind, 1) + after**2 / beam_counts),
    )
