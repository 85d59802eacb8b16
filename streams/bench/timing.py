"""Repeated timing of functions of which all but the time is already known."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True)
class Timing:
    """Times of repeated calls, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median time."""
        return median(self.seconds)

    @property
    def least(self) -> float:
        """The shortest time."""
        return min(self.seconds)

    @property
    def most(self) -> float:
        """The longest time."""
        return max(self.seconds)


def time_in_turn(functions: Sequence[Callable[[], object]], repetitions: int) -> list[Timing]:
    """Call the functions in turn, `repetitions` times each after a call to warm up; return their times.

    In turn, so that a machine that slows down or wakes up changes all alike. Garbage is collected between calls
    only.
    """
    seconds: list[list[float]] = [[] for _ in functions]
    was_enabled = gc.isenabled()
    try:
        for repetition in range(repetitions + 1):
            for function, times in zip(functions, seconds, strict=True):
                gc.collect()
                gc.disable()
                begin = perf_counter()
                function()
                elapsed = perf_counter() - begin
                if repetition > 0:
                    times.append(elapsed)
    finally:
        if was_enabled:
            gc.enable()
    return [Timing(tuple(times)) for times in seconds]
