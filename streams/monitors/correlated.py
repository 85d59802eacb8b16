"""Differences and ratios of rates whose events are partly the same.

Of n_a = common + only_a and n_b = common + only_b events, the common ones cancel in a difference: three independent
Poisson numbers make the errors. An error is at least that of one event, as in `rates`, unless the two menus are the
same (`same`) and cannot differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Overlap:
    """Events before downscaling of one line in two menus."""

    common: int
    only_a: int
    only_b: int
    same: bool

    @property
    def a(self) -> int:
        """Events in A."""
        return self.common + self.only_a

    @property
    def b(self) -> int:
        """Events in B."""
        return self.common + self.only_b

    @property
    def floor(self) -> int:
        """Least variance of a number of events."""
        return 0 if self.same else 1


@dataclass(frozen=True)
class Downscaled:
    """What a downscaling of 1 in `downscaling` left of a line's events: `after` of `before`."""

    before: int
    after: int
    downscaling: int

    @property
    def behind(self) -> float:
        """Firings behind the last one kept, that none stands for, in units of what is kept."""
        return self.before / self.downscaling - self.after


def difference(events: Overlap, time_s: float) -> tuple[float, float]:
    """Return (rate of B - rate of A, error) in Hz: var = (only_a + only_b) / time^2."""
    if time_s <= 0:
        return 0.0, 0.0
    variance = max(events.only_a + events.only_b, events.floor)
    return (events.b - events.a) / time_s, math.sqrt(variance) / time_s


def ratio(events: Overlap) -> tuple[float, float] | None:
    """Return (B / A, error), or None if A has no events.

    With r = (common + only_b) / (common + only_a), dr/dcommon = (1 - r) / a, dr/donly_b = 1 / a and
    dr/donly_a = -r / a. For only_b = 0 this is the binomial error.
    """
    if events.a == 0:
        return None
    r = events.b / events.a
    variance = events.common * (1 - r) ** 2 + events.only_b + events.only_a * r**2
    return r, math.sqrt(max(variance, events.floor)) / events.a


def downscaled_difference(
    events: Overlap, a: Downscaled, b: Downscaled, time_s: float
) -> tuple[float, float]:
    """Return (rate of B - rate of A, error) in Hz after downscaling.

    Downscaling keeps every nth firing and adds no spread of its own (`rates.downscaled_rate`): the error is that of
    common / n_b - common / n_a + only_b / n_b - only_a / n_a, and the firings that are behind on either side.
    """
    if time_s <= 0:
        return 0.0, 0.0
    weight_a, weight_b = 1 / a.downscaling, 1 / b.downscaling
    variance = events.common * (weight_b - weight_a) ** 2
    variance += events.only_b * weight_b**2 + events.only_a * weight_a**2
    variance = max(variance, events.floor * min(weight_a, weight_b) ** 2)
    variance += (b.behind - a.behind) ** 2
    return (b.after - a.after) / time_s, math.sqrt(variance) / time_s


def downscaled_ratio(events: Overlap, a: Downscaled, b: Downscaled) -> tuple[float, float] | None:
    """Return (B / A, error) after downscaling, or None if A has none: the error before, and the distance from it."""
    before = ratio(events)
    if before is None or a.after == 0:
        return None
    scale = a.downscaling / b.downscaling
    found = b.after / a.after
    return found, math.hypot(before[1] * scale, found - before[0] * scale)
