"""Beam and searches in the report of a replay, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.report import Report

COLUMNS: Final = 80
INDENT: Final = " " * 10

SMALLEST: Final = 1e-4
"""P-value below which its power of ten is enough."""


def render_searches(monitors: Report, console: Console) -> None:
    """Print what each search has; those that are inactive by their reasons."""
    searches = [search for search in monitors["searches"] if search["active"]]
    if searches:
        console.print(_table(searches))
    for line in _remarks(monitors):
        for row in textwrap.wrap(line, COLUMNS, subsequent_indent=INDENT):
            console.print(row, highlight=False, markup=False, soft_wrap=True)


def _table(searches: list[Report]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("search")
    for title in ("events", "largest excess", "global p", "90% CL limit there"):
        table.add_column(title, justify="right")
    for search in searches:
        excess = search["excess_all"]
        cells = [search["name"], f"{search['selected_all']:,}"]
        if excess is None:
            kaons = search["kaon_decays"]
            what = f"{kaons:.3g} K+ decays" if search["channel"] and kaons else "-"
            table.add_row(*cells, what, "", "")
            continue
        found = excess["z"] is not None and excess["p_local"] < 1
        where = f"{1e3 * excess['mass_gev']:.1f} MeV"
        table.add_row(
            *cells,
            f"{excess['z']:.1f} sigma, {where}" if found else "none",
            _p(excess["p_global"]) if found else "",
            _limit(excess),
        )
    return table


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= SMALLEST else f"{p:.0e}"


def _limit(excess: Report) -> str:
    if excess["limit"] is None:
        return "-"
    text = f"{excess['limit']:.1f} events"
    if excess["limit_br"] is not None:
        text += f", B {excess['limit_br']:.1e}"
    return text


def _remarks(monitors: Report) -> Iterator[str]:
    """Say which searches are inactive, each reason once, and what raises an alarm."""
    reasons: dict[str, list[str]] = {}
    for search in monitors["searches"]:
        if search["reason"]:
            reasons.setdefault(search["reason"], []).append(search["name"])
        if search["alarm"]:
            yield f"ALARM     {search['name']}: {search['alarm']}"
    if monitors["problem"]:
        yield f"note      {monitors['problem']}"
    for reason, names in reasons.items():
        yield f"inactive  {reason}: {', '.join(names)}"


def beam_lines(monitors: Report) -> Iterator[str]:
    """Say how the beam of a spill was."""
    beam = monitors["spill"]
    if beam is None:
        return
    parts = [beam["quality"]]
    if beam["duty_factor"] is not None:
        parts.append(f"duty factor {beam['duty_factor']:.3f} in 5 ms")
    if beam["effective_s"] is not None:
        parts.append(f"effective length {beam['effective_s']:.3f} s")
    text = f"quality   {', '.join(parts)}"
    if beam["reasons"]:
        text += f" ({'; '.join(beam['reasons'])})"
    yield from textwrap.wrap(text, COLUMNS, subsequent_indent=INDENT)
