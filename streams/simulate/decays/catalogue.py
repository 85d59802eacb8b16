"""All decay modes of one simulation: those of the Standard Model, and the signals asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.decays import tables
from streams.simulate.decays.mode import EXOTIC_DECAYS, PAIR_SHAPES, PARENTS, PRODUCTS, THREE_SHAPES, Mode
from streams.simulate.decays.shapes import bremsstrahlung_density, pair_weight, three_body_weight
from streams.simulate.decays.signals import parse_signal
from streams.simulate.decays.tables import BREMSSTRAHLUNG, DALITZ, MASS, alias_table
from streams.simulate.settings import SimulationError
from trigger.jit import kernel

GRID: Final = 120
"""Points in each energy, or in the pair's mass, between which the largest weight is looked for."""

MARGIN: Final = 1.02
"""Above the largest weight on the grid: the shapes are smooth."""


def standard_modes() -> tuple[Mode, ...]:
    """Return the modes of the Standard Model, with the branching ratios of modes.toml."""
    text = (files("streams.simulate.decays") / "modes.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["mode"]
    return tuple(
        Mode(**{**row, "products": tuple(row["products"]), "parameters": tuple(row.get("parameters", ()))})
        for row in rows
    )


class Catalogue:
    """The modes, each with its branching ratio in this simulation; a mode's number is its place.

    signals: as `parse_signal` takes them. They have the branching ratios asked for; the others of their parent share
    what is left. Raises SimulationError if a signal is wrong, or those of a parent have more than 1.
    """

    def __init__(self, signals: Iterable[str] = ()) -> None:
        standard = standard_modes()
        known = {mode.name: mode for mode in standard}
        asked = [parse_signal(text, known) for text in signals]
        _no_mode_twice(asked)
        names = {mode.name for mode in asked}
        modes = [*(mode for mode in standard if mode.name not in names), *asked]
        self.modes: tuple[Mode, ...] = tuple(_scaled(modes))
        self.tables = make_tables(self.modes)

    @property
    def signal(self) -> NDArray[np.bool_]:
        """Which modes were asked for: bool[n_modes]."""
        return np.array([mode.signal for mode in self.modes], np.bool_)

    def number(self, name: str) -> int:
        """Return the number of the first mode of a name."""
        return next(i for i, mode in enumerate(self.modes) if mode.name == name)


def _no_mode_twice(asked: Sequence[Mode]) -> None:
    for i, mode in enumerate(asked):
        if replace(mode, branching_ratio=0.0) in [replace(m, branching_ratio=0.0) for m in asked[:i]]:
            raise SimulationError(
                f"signal {mode.name} is given twice with the same parameters; leave one out"
            )


def _scaled(modes: Sequence[Mode]) -> list[Mode]:
    """Give each parent's modes a sum of 1."""
    scales = {}
    for parent in PARENTS:
        own = [mode for mode in modes if mode.parent == parent]
        asked = sum(mode.branching_ratio for mode in own if mode.signal)
        if asked > 1:
            raise SimulationError(
                f"the signals of {parent} have br = {asked:g} in all; lower them to 1 or less"
            )
        rest = sum(mode.branching_ratio for mode in own if not mode.signal)
        scales[parent] = (1 - asked) / rest if rest else 0.0
    return [
        mode if mode.signal else replace(mode, branching_ratio=mode.branching_ratio * scales[mode.parent])
        for mode in modes
    ]


def make_tables(modes: Sequence[Mode]) -> NDArray[np.float64]:
    """Return the tables that `decay` takes: float64[n_modes, N_COLUMNS], see `tables`."""
    made = np.zeros((len(modes), tables.N_COLUMNS))
    for row, mode in zip(made, modes, strict=True):
        row[[tables.KIND, tables.SHAPE, tables.TO]] = mode.kind, _shape(mode), EXOTIC_DECAYS[mode.to][0]
        row[tables.SIGNAL] = mode.signal
        row[[tables.LARGEST, tables.CTAU_MM, tables.MASS2]] = 1.0, mode.ctau_mm, mode.mass2_gev
        for column, values in (
            (tables.PRODUCT, [PRODUCTS[name][0] for name in mode.products]),
            (tables.MASS, mode.masses_gev),
            (tables.PARAMETER, mode.parameters),
        ):
            row[column : column + len(values)] = values
    for i, mode in enumerate(modes):
        if mode.kind in (tables.THREE, tables.PAIR):
            made[i, tables.LARGEST] = MARGIN * _largest(tuple(made[i]), mode.kind, PARENTS[mode.parent][1])
    for k, parent in enumerate(PARENTS):
        weights = np.array([mode.branching_ratio * (mode.parent == parent) for mode in modes])
        made[:, tables.ACCEPT + k], made[:, tables.ALIAS + k] = alias_table(weights)
    return made


@cache
def _largest(row: tuple[float, ...], kind: int, mass: float) -> float:
    """Return the largest weight of the mode in a row of the tables; found once, as kernels may be plain Python."""
    return largest_weight(kind == tables.PAIR, int(row[tables.SHAPE]), np.array([row]), 0, mass)


def _shape(mode: Mode) -> int:
    return PAIR_SHAPES[mode.shape] if mode.kind == tables.PAIR else THREE_SHAPES[mode.shape]


@kernel("float64(boolean, int64, float64[:, ::1], int64, float64)")
def largest_weight(pair: bool, shape: int, table: Any, mode: int, mass: float) -> float:
    """Return the largest weight of a shape on a fine grid over what is allowed."""
    largest = 0.0
    m1, m2, m3 = table[mode, MASS], table[mode, MASS + 1], table[mode, MASS + 2]
    for i in range(1, GRID):
        if pair:
            low, high = 4.0 * m2 * m2, (mass - m1) ** 2
            for j in range(GRID):
                x = (i + j / GRID) / GRID
                q2 = low * (high / low) ** x if shape == DALITZ else low + (high - low) * x
                largest = max(largest, pair_weight(shape, table, mode, mass, q2))
            continue
        top1 = (mass * mass + m1 * m1 - (m2 + m3) ** 2) / (2.0 * mass)
        e1 = m1 + (top1 - m1) * i / GRID
        p1 = np.sqrt(e1 * e1 - m1 * m1)
        # Between the edges of the Dalitz plot, where the second product flies along the first or against it.
        rest2 = mass * mass + m1 * m1 - 2.0 * mass * e1
        rest = np.sqrt(rest2)
        inner = np.sqrt(max((rest2 - (m2 + m3) ** 2) * (rest2 - (m2 - m3) ** 2), 0.0)) / (2.0 * rest)
        energy = (rest2 + m2 * m2 - m3 * m3) / (2.0 * rest)
        for j in range(GRID + 1):
            e2 = ((mass - e1) * energy + p1 * inner * (2.0 * j / GRID - 1.0)) / rest
            weight = three_body_weight(shape, table, mode, mass, e1, e2)
            if shape == BREMSSTRAHLUNG:
                weight *= bremsstrahlung_density(mass, m2, e1, e2)
            largest = max(largest, weight)
    return largest
