"""What `ktrig replay --explain` prints: a table of losses and gains, their causes, the first cases of a line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
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
    console.print(
        "\nagainst an ideal processor (the same cuts, no RAM), numbers of firings:", highlight=False
    )
    console.print(_balance_table(report))
    console.print("\nby cause, lost and gained:", highlight=False)
    console.print(_cause_table(report))
    for line in _cases(report):
        console.print(line, highlight=False, markup=False)


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("line", no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _balance_table(report: Report) -> Table:
    """ideal - lost + gained - same tick - downscaled - (choke, dead time) = triggers."""
    behind = {title: key for title, key in BEHIND.items() if any(line[key] for line in report["lines"])}
    table = _table(
        "ideal", "- lost", "+ gained", "- same tick", "- downscaled", *(f"- {t}" for t in behind), "= out"
    )
    for line in report["lines"]:
        if line["active"]:
            numbers = [
                line["ideal"],
                line["same_slot"] + sum(line["lost"].values()),
                sum(line["gained"].values()),
                line["lost_same_tick"],
                report["ledger"][line["name"]]["downscaled"],
                *(line[key] for key in behind.values()),
                line["dispatched"],
            ]
            table.add_row(line["name"], *(f"{n:,}" for n in numbers))
    return table


def _cause_table(report: Report) -> Table:
    """A column for each cause that occurs."""
    lines = [line for line in report["lines"] if line["active"]]
    causes = [c for c in CAUSES if any(line["lost"][c] or line["gained"][c] for line in lines)]
    table = _table("same slot", *causes)
    for line in lines:
        cells = [_signed(line["lost"][cause], line["gained"][cause]) for cause in causes]
        table.add_row(line["name"], _signed(line["same_slot"], 0), *cells)
    return table


def _signed(lost: int, gained: int) -> str:
    parts = ([f"-{lost:,}"] if lost else []) + ([f"+{gained:,}"] if gained else [])
    return " ".join(parts) or "0"


def _cases(report: Report) -> Iterator[str]:
    """The first cases of the line asked for, by kind."""
    if report["cases"]:
        yield "\nfirst cases, by kind; time in the spill, and tick:"
    for kind, cases in groupby(report["cases"], key=lambda case: case["kind"]):
        title = kind.replace("_", " ")
        for case in cases:
            what = f"{title}, {case['cause']}" if case["cause"] else title
            tick = int(case["time_s"] * 1e9 / TICK_NS + 1e-6)
            yield f"  {what:<22}{case['time_s']:.9f} s  {tick:>10}"
