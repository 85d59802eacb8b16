"""What `ktrig replay --explain` prints: a table of losses and gains, their causes, the first cases of a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.report import Report
from trigger.clock import TICK_NS
from trigger.l0.fates import CAUSES

BEHIND: Final = {"choke": "lost_choke", "dead time": "lost_dead_time"}
"""Columns for what is lost behind the acceptance; left out where nothing is."""


def render_losses(report: Report, console: Console) -> None:
    """Print the tables of a report with losses."""
    for title, table in (
        ("firings against an ideal processor (the same cuts, no RAM):", _decision_table(report)),
        ("lost and gained, by cause:", _cause_table(report)),
        ("from firings to triggers:", _acceptance_table(report)),
    ):
        console.print(f"\n{title}", highlight=False)
        console.print(table)
    for line in _cases(report):
        console.print(line, highlight=False, markup=False)


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("line", no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _decision_table(report: Report) -> Table:
    """ideal - same slot - lost + gained = fires."""
    table = _table("ideal", "- same slot", "- lost", "+ gained", "= fires")
    for line in _active(report):
        lost, gained = (sum(line[name].values()) for name in ("lost", "gained"))
        fires = line["before"] + line["lost_same_tick"]
        _add(table, line, line["ideal"], line["same_slot"], lost, gained, fires)
    return table


def _acceptance_table(report: Report) -> Table:
    """fires - same tick - downscaled - (choke, dead time) = out."""
    behind = {title: key for title, key in BEHIND.items() if any(line[key] for line in report["lines"])}
    table = _table("fires", "- same tick", "- downscaled", *(f"- {title}" for title in behind), "= out")
    for line in _active(report):
        same_tick = line["lost_same_tick"]
        downscaled = report["ledger"][line["name"]]["downscaled"]
        lost = [line[key] for key in behind.values()]
        _add(table, line, line["before"] + same_tick, same_tick, downscaled, *lost, line["dispatched"])
    return table


def _cause_table(report: Report) -> Table:
    """A column for each cause that occurs."""
    lines = _active(report)
    causes = [c for c in CAUSES if any(line["lost"][c] or line["gained"][c] for line in lines)]
    table = _table(*causes)
    for line in lines:
        table.add_row(
            line["name"], *(_signed(line["lost"][cause], line["gained"][cause]) for cause in causes)
        )
    return table


def _active(report: Report) -> list[Report]:
    return [line for line in report["lines"] if line["active"]]


def _add(table: Table, line: Report, *numbers: int) -> None:
    table.add_row(line["name"], *(f"{n:,}" for n in numbers))


def _signed(lost: int, gained: int) -> str:
    parts = ([f"-{lost:,}"] if lost else []) + ([f"+{gained:,}"] if gained else [])
    return " ".join(parts) or "0"


def _cases(report: Report) -> Iterator[str]:
    """The first cases of the line asked for, by kind and cause."""
    if report["cases"]:
        yield "\nfirst cases; time in the spill, and tick:"
    several = len(report["spills"]) > 1
    for case in report["cases"]:
        title = case["kind"].replace("_", " ")
        what = f"{title}, {case['cause']}" if case["cause"] else title
        tick = int(case["time_s"] * 1e9 / TICK_NS + 1e-6)
        spill = f"  spill {case['spill'] + 1}" if several else ""
        yield f"  {what:<22}{case['time_s']:.9f} s  {tick:>10}{spill}"
