"""How late blocks were: a histogram that is added up, and what is read off it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field, FiniteFloat

BINS_PER_DECADE: Final = 50
"""Quantiles are read off to 5%."""

FIRST_DECADE, LAST_DECADE = -6, 2
"""Powers of ten of seconds: what is later than 100 s has a bin of its own."""

EDGES_S: Final = tuple(
    10 ** (k / BINS_PER_DECADE)
    for k in range(FIRST_DECADE * BINS_PER_DECADE, LAST_DECADE * BINS_PER_DECADE + 1)
)
"""Upper edges of the bins, which belong to them; the last bin has none."""

LABELS: Final = (*(f"{edge:.4g}" for edge in EDGES_S), "inf")

Label = Annotated[str, Field(pattern=r"^(inf|[0-9.]+(e-?[0-9]+)?)$")]


@dataclass
class Lateness:
    """Blocks by the time, in seconds, between when they were due and when the link took them.

    bins: number of blocks by the upper edge of their bin; empty bins are left out.
    """

    bins: dict[Label, Annotated[int, Field(strict=True, ge=0)]] = field(default_factory=dict)
    sum_s: FiniteFloat = 0.0
    worst_s: FiniteFloat = 0.0

    def add(self, late_s: float) -> None:
        """Count a block; one cannot be early."""
        late_s = max(late_s, 0.0)
        label = LABELS[bisect_left(EDGES_S, late_s)]
        self.bins[label] = self.bins.get(label, 0) + 1
        self.sum_s += late_s
        self.worst_s = max(self.worst_s, late_s)

    def __add__(self, other: Lateness) -> Lateness:
        bins = {
            label: self.bins.get(label, 0) + other.bins.get(label, 0) for label in {**self.bins, **other.bins}
        }
        return Lateness(bins, self.sum_s + other.sum_s, max(self.worst_s, other.worst_s))

    def copy(self) -> Lateness:
        """Return where it stands now."""
        return Lateness(self.bins.copy(), self.sum_s, self.worst_s)

    @property
    def n(self) -> int:
        """Number of blocks."""
        return sum(self.bins.values())

    def up_to(self, late_s: float) -> int:
        """Return the number of blocks in bins that end at this time or before."""
        return sum(n for label, n in self.bins.items() if float(label) <= late_s)

    def quantile_s(self, fraction: float) -> float | None:
        """Return the time that this fraction of the blocks did not exceed, to the next edge; None without blocks."""
        wanted, below = fraction * self.n, 0
        for edge_s, n in sorted((float(label), n) for label, n in self.bins.items()):
            below += n
            if below >= wanted:
                return min(edge_s, self.worst_s)
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "median": self.quantile_s(0.5),
            "p99": self.quantile_s(0.99),
            "worst": self.worst_s if self.n else None,
        }
