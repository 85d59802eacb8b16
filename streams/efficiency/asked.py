"""What efficiencies are asked for, and whether the spill file can tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streams.efficiency.acceptance import usual_acceptance
from streams.replay import load_fitting
from streams.simulate.apparatus import load_apparatus
from streams.simulate.settings import FIDUCIAL, SIGNAL
from streams.spill.optional import OptionalParts, Truth
from streams.spill.reader import SpillReader
from trigger.errors import KtrigError
from trigger.experiment import Experiment
from trigger.l1.events import Windows
from trigger.menu import N_MASKS, Line, Menu

PNN: Final = "PNN"
"""The line that is drawn, if the menu has it."""


class EfficiencyError(KtrigError):
    """A spill that cannot tell the efficiencies asked for."""


@dataclass(frozen=True)
class Asked:
    """Efficiencies that are asked for.

    modes: of the truth, by number, with their acceptance. rows: of the menu, 16 for the control trigger. drawn:
    the mode and the row that are shown against momentum, vertex, intensity; the mode is None if there is none.
    l1_menu: the menu without what reduces its rates at L1. windows: of the readout.
    """

    spill: Path
    menu: Menu
    experiment: Experiment
    truth: Truth
    modes: tuple[tuple[int, str], ...]
    rows: tuple[int, ...]
    drawn: tuple[int | None, int]
    l1_menu: Menu
    l1_detectors: tuple[str, ...]
    windows: Windows
    fiducial_mm: tuple[float, ...]

    def name_of(self, row: int) -> str:
        """Return the name of a row of the menu."""
        return next(line.name for number, line in self.menu.rows if number == row)

    def is_judged(self, row: int) -> bool:
        """Whether L1 looks at a row: not at the control trigger, nor at a line without algorithms."""
        return row < N_MASKS and bool(self.menu.line[row].l1)

    def is_whole(self, mode: int) -> bool:
        """Whether the truth has all decays of a mode in the fiducial volume, those that fired nothing too."""
        return self.truth.kept == FIDUCIAL or (
            self.truth.kept == SIGNAL and bool(self.truth.modes[mode]["signal"])
        )


def make_asked(
    spill: Path,
    menu: str,
    profile: str | None,
    modes: Sequence[str] = (),
    lines: Sequence[str] = (),
    acceptance: str | None = None,
) -> Asked:
    """Load the menu, look at the spill, and find the modes and lines by name (all by default).

    acceptance: of all modes, in place of the usual one of each. Raises KtrigError that names what does not fit.
    """
    (loaded,), experiment = load_fitting([spill], [menu], profile)
    with SpillReader(spill) as reader:
        truth, windows = _needed(reader.optional, spill, loaded)
        header = reader.header
    chosen = _modes(spill, truth, modes)
    rows = _rows(loaded, lines)
    names = {row: line.name for row, line in loaded.rows}
    drawn_row = rows[0] if lines else next((row for row in rows if names[row] == PNN), rows[0])
    return Asked(
        spill,
        loaded,
        experiment,
        truth,
        tuple((mode, acceptance or usual_acceptance(truth.modes[mode])) for mode in chosen),
        rows,
        (_drawn_mode(truth, chosen, bool(modes)), drawn_row),
        without_factors(loaded),
        _l1_detectors(loaded),
        windows,
        load_apparatus(header.experiment).fiducial_mm,
    )


def _needed(parts: OptionalParts, spill: Path, menu: Menu) -> tuple[Truth, Windows]:
    """Return the truth and the readout windows, if the file has all that is needed."""
    truth, readout = parts.truth, parts.readout
    if truth is None:
        raise EfficiencyError(
            f"{spill}: has no /truth, so its decays are not known; give a spill of ktrig simulate --truth fiducial"
        )
    if readout is None:
        raise EfficiencyError(
            f"{spill}: has no /readout, so its triggers have no hits for L1; give a spill that was simulated "
            "without --no-hits"
        )
    for line in menu.line:
        for step in line.l1:
            name = step.call.name
            if name not in parts.hits or name not in readout.windows:
                raise EfficiencyError(
                    f"{spill}: has no /hits/{name}, which L1 of the line {line.name} asks for; simulate it with all "
                    "detectors, or leave the algorithm out of the menu"
                )
    return truth, readout.windows


def _l1_detectors(menu: Menu) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.call.name for line in menu.line for step in line.l1))


def _modes(spill: Path, truth: Truth, wanted: Sequence[str]) -> list[int]:
    """Return the modes by number, in the order in which they are asked for; by default all that were made."""
    numbers = {str(mode["name"]): i for i, mode in enumerate(truth.modes)}
    for name in wanted:
        if name not in numbers:
            raise EfficiencyError(f"{spill}: --mode {name}: is not in /truth; it has {', '.join(numbers)}")
    made = [i for i, mode in enumerate(truth.modes) if mode["generated_fiducial"]]
    return [numbers[name] for name in dict.fromkeys(wanted)] or made


def _rows(menu: Menu, wanted: Sequence[str]) -> tuple[int, ...]:
    """Return the rows of the menu by number, in the order in which they are asked for; by default all."""
    numbers = {line.name: row for row, line in menu.rows}
    for name in wanted:
        if name not in numbers:
            raise EfficiencyError(
                f"--line {name}: is not in the menu {menu.name}; it has {', '.join(numbers)}"
            )
    return tuple(numbers[name] for name in dict.fromkeys(wanted)) or tuple(numbers.values())


def _drawn_mode(truth: Truth, chosen: Sequence[int], named: bool) -> int | None:
    """Return the first mode that was named, else the first signal, else the one of which most were made."""
    if named or not chosen:
        return chosen[0] if chosen else None
    made: Mapping[int, int] = {mode: truth.modes[mode]["generated_fiducial"] for mode in chosen}
    signals = [mode for mode in chosen if truth.modes[mode]["signal"]]
    return signals[0] if signals else max(chosen, key=lambda mode: made[mode])


def without_factors(menu: Menu) -> Menu:
    """Return a menu without reductions, downscalings, autopass and bypass at L1: what is left is its cuts."""
    one: dict[str, Any] = {"downscaling": 1}

    def bare(line: Line) -> Line:
        steps = tuple(step.model_copy(update=one) for step in line.l1)
        return line.model_copy(update={"l1": steps, "l1_reduction": 1})

    off = {"autopass": 0, "flag_mode": False, "reduction": 1, "bypass_probability": 0.0}
    settings = menu.l1.model_copy(update=off | one) if menu.l1 else None
    return menu.model_copy(update={"line": tuple(bare(line) for line in menu.line), "l1": settings})
