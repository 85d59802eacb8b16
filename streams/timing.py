"""How late blocks were: a histogram that is added up, and what is read off it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field, FiniteFloat

BINS_PER_DECADE: Final = 50
"""Quantiles are read off to 5%."""

DECADES: Final = range(-6, 3)
"""Powers of ten of seconds with bins: from 1 us to 100 s; what is below, or above, has a bin of its own."""

EDGES_S: Final = tuple(
    10 ** (k / BINS_PER_DECADE) for k in range(-6 * BINS_PER_DECADE, 2 * BINS_PER_DECADE + 1)
)
"""Upper edges of the bins; the last bin has none."""

N_BINS: Final = len(EDGES_S) + 1


@dataclass
class Lateness:
    """Blocks by the time, in seconds, between when they were due and when they left."""

    counts: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=N_BINS, max_length=N_BINS)] = field(
        default_factory=lambda: [0] * N_BINS
    )
    sum_s: FiniteFloat = 0.0
    worst_s: FiniteFloat = 0.0

    def add(self, late_s: float) -> None:
        """Count a block; one cannot be early."""
        late_s = max(late_s, 0.0)
        self.counts[bisect_right(EDGES_S, late_s)] += 1
        self.sum_s += late_s
        self.worst_s = max(self.worst_s, late_s)

    def __add__(self, other: Lateness) -> Lateness:
        return Lateness(
            [a + b for a, b in zip(self.counts, other.counts, strict=True)],
            self.sum_s + other.sum_s,
            max(self.worst_s, other.worst_s),
        )

    def copy(self) -> Lateness:
        """Return where it stands now."""
        return Lateness(self.counts.copy(), self.sum_s, self.worst_s)

    @property
    def n(self) -> int:
        """Number of blocks."""
        return sum(self.counts)

    def quantile_s(self, fraction: float) -> float | None:
        """Return the time that this fraction of the blocks did not exceed, to the next edge; None without blocks."""
        wanted = fraction * self.n
        below = 0
        for count, edge in zip(self.counts, (*EDGES_S, self.worst_s), strict=True):
            below += count
            if count and below >= wanted:
                return min(edge, self.worst_s)
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "median": self.quantile_s(0.5),
            "p99": self.quantile_s(0.99),
            "worst": self.worst_s if self.n else None,
        }
