"""Which searches can see anything in a spill, and why the others cannot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from trigger.menu import Control, Line, Menu
from trigger.searches.search import Search

PARTS: Final = {
    "beam": "beam tracks of the GTK (/beam)",
    "clusters": "clusters of the LKr (/clusters)",
    "rings": "rings of the RICH (/rings)",
}


def inactive_because(
    search: Search, menu: Menu, active_lines: Collection[str], parts: Collection[str], l1: bool
) -> str:
    """Say why a search is inactive in a spill, '' if it is active.

    active_lines: lines of the menu whose detectors the spill has. parts: of the file, as "beam" or "hits/STRAW". l1:
    whether L1 runs.
    """
    if not l1:
        return "L1 does not run"
    if not lines_in(search, menu):
        return f"the menu {menu.name} has no line {_listed(search.lines)}"
    if not [name for name in lines_in(search, menu) if name in active_lines]:
        return f"line {_listed(lines_in(search, menu))} is inactive"
    for part in search.needs:
        if part not in parts:
            hits = f"{part.removeprefix('hits/')} hits (/{part})"
            return f"the spill has no {PARTS.get(part, hits)}"
    return ""


def lines_in(search: Search, menu: Menu) -> list[str]:
    """Return the lines of a search that a menu has."""
    known = {line.name for _row, line in menu.rows}
    return [name for name in search.lines if name in known]


def effective_downscaling(search: Search, menu: Menu) -> float:
    """Return how many events of a search's lines there are for each one that is kept.

    An event is kept if one of the downscalings of nested lines keeps it: 1/D = 1 - (1 - 1/D_1)(1 - 1/D_2)...; NaN
    without a line. Those of L1, of its steps, of the line and of all events, count as well.
    """
    lost = 1.0
    for _row, line in menu.rows:
        if line.name in search.lines:
            lost *= 1.0 - 1.0 / _of_line(line)
    of_all = menu.l1.reduction * menu.l1.downscaling if menu.l1 else 1
    return of_all / (1.0 - lost) if lost < 1.0 else float("nan")


def _of_line(line: Line | Control) -> int:
    """Downscaling of a line at L0, and at L1 by its reduction and its steps."""
    factor = line.downscaling
    if isinstance(line, Line):
        factor *= line.l1_reduction
        for step in line.l1:
            factor *= step.downscaling
    return factor


def rows_of(search: Search, menu: Menu) -> list[int]:
    """Return the rows of the menu that its lines have, masks 0 to 15, the control trigger behind them."""
    return [row for row, line in menu.rows if line.name in search.lines]


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names)
