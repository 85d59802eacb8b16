"""Counts of decays: by mode and line, and of one mode and line against momentum, vertex and intensity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.efficiency.sample import Sample
from trigger.l0.registers import N_ROWS

L0_PASS, L1_UNREAD, L1_IN, L1_PASS = range(4)
"""Decays whose entry fires a line; of these, those that its downscaling keeps but the file does not read out, those
that it reads out, and of the latter those that L1 accepts."""

N_WORDS: Final = 4

MOMENTUM_GEV: Final = np.linspace(0.0, 80.0, 33)
VERTEX_M: Final = np.linspace(105.0, 180.0, 16)
INTENSITY_BINS: Final = 10

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def words_of(sample: Sample) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the word of bits by row for L0_PASS and the others."""
    return sample.fired, sample.kept & ~sample.read, sample.read, sample.passed


@dataclass
class Against:
    """Counts of one mode and row in bins of a quantity. edges: float64[n + 1]. decays: int64[n]. passes: int64[4, n],
    by L0_PASS and the others."""

    edges: Floats
    decays: Ints = field(init=False)
    passes: Ints = field(init=False)

    def __post_init__(self) -> None:
        bins = len(self.edges) - 1
        self.decays, self.passes = np.zeros(bins, np.int64), np.zeros((N_WORDS, bins), np.int64)

    def add(self, values: Floats, sample: Sample, row: int) -> None:
        """Add decays with their values of the quantity; those outside the bins are left out."""
        self.decays += np.histogram(values, self.edges)[0]
        for count, word in enumerate(words_of(sample)):
            self.passes[count] += np.histogram(values[(word >> row & 1) == 1], self.edges)[0]


@dataclass
class Counts:
    """Sums over a spill. drawn: the mode and row of `against`, by name of the quantity. decays: int64[n modes], in
    acceptance. passes: int64[4, n modes, 17], by L0_PASS and the others, mode, and row of the menu."""

    n_modes: int
    drawn: tuple[int | None, int]
    against: dict[str, Against]
    decays: Ints = field(init=False)
    passes: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.decays = np.zeros(self.n_modes, np.int64)
        self.passes = np.zeros((N_WORDS, self.n_modes, N_ROWS), np.int64)

    def add(self, sample: Sample) -> None:
        """Add decays."""
        self.decays += np.bincount(sample.mode, minlength=self.n_modes)
        fired = sample.where(sample.fired != 0)
        for count, word in enumerate(words_of(fired)):
            for row in range(N_ROWS):
                modes = fired.mode[(word >> row & 1) == 1]
                self.passes[count, :, row] += np.bincount(modes, minlength=self.n_modes)
        mode, row = self.drawn
        if mode is not None:
            shown = sample.where(sample.mode == mode)
            self.against["momentum"].add(shown.momentum_gev, shown, row)
            self.against["vertex"].add(shown.vertex_m, shown, row)
            self.against["intensity"].add(shown.intensity_mhz, shown, row)


def make_counts(n_modes: int, drawn: tuple[int | None, int], cells_mhz: Floats) -> Counts:
    """Return counts of nothing; the bins of intensity cover that of the cells (float64[n])."""
    least, most = (float(cells_mhz.min()), float(cells_mhz.max())) if len(cells_mhz) else (0.0, 1.0)
    # A constant intensity is one bin around it.
    flat = most - least < 1e-3 * most
    edges = np.array([0.95 * least, 1.05 * most]) if flat else np.linspace(least, most, INTENSITY_BINS + 1)
    against = {"momentum": Against(MOMENTUM_GEV), "vertex": Against(VERTEX_M), "intensity": Against(edges)}
    return Counts(n_modes, drawn, against)
