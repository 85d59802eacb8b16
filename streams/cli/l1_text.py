"""L1 in the report of a replay, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.cli.rate_text import rate_text
from streams.report import Report

COLUMNS: Final = 80
INDENT: Final = " " * 10

STEPS: Final = 40
"""Columns for the algorithms of a line."""


def render_l1(report: Report, console: Console) -> None:
    """Print what L1 makes of each line, and of all events."""
    l1 = report["l1"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("line")
    table.add_column("L1 in", justify="right")
    table.add_column("fail", overflow="fold", max_width=STEPS)
    table.add_column("L1 out", justify="right")
    for line in report["lines"]:
        if line.get("l1") and line["active"]:
            table.add_row(
                line["name"], _rate(line, "in"), ", ".join(_fails(line["l1"])) or "-", _rate(line, "out")
            )
    console.print(table)
    if l1["rate_hz"]:
        rate = rate_text(l1["rate_hz"], l1["rate_error_hz"])
        console.print(
            f"L1 total  {rate} ({l1['accepted']:,} events, {l1['bypassed']:,} with bypass)",
            highlight=False,
            soft_wrap=True,
        )
    for text in _remarks(l1):
        for row in textwrap.wrap(text, COLUMNS, subsequent_indent=INDENT):
            console.print(row, highlight=False, markup=False, soft_wrap=True)


def _rate(line: Report, name: str) -> str:
    rate = line["l1"][f"rate_{name}_hz"]
    return "-" if rate is None else rate_text(rate, line["l1"][f"rate_{name}_error_hz"])


def _fails(l1: Report) -> Iterator[str]:
    """Say what part of a line's events ends where."""
    if l1["input"] == 0:
        return
    places = l1["failed"] | {
        name: l1[name]
        for name in ("reduced", "bypassed", "not_read_out", "flagged", "step_downscaled", "downscaled")
    }
    for name, n in places.items():
        if n:
            yield f"{name.replace('_', ' ')} {100 * n / l1['input']:.1f}%"


def _remarks(l1: Report) -> Iterator[str]:
    """Say what a reader should know: events without hits, or with too much in them."""
    if l1["not_read_out"]:
        yield (
            f"note      {l1['not_read_out']:,} events are not read out: the hit menu of the file has no hits for "
            "them, and L1 could not judge them"
        )
    if l1["overflow"]:
        yield f"note      {l1['overflow']:,} events have too much in STRAW; it lets them pass"
    missing = {name: n for name, n in l1["missing"].items() if n and l1["not_read_out"] < l1["events"]}
    if l1["incomplete"]:
        lists = ", ".join(f"{name} {n:,}" for name, n in missing.items())
        yield f"note      {l1['incomplete']:,} events lack hits, which counts as no hit: {lists}"


def stage_times(report: Report) -> Iterator[str]:
    """Say how much of a core each stage needs at the speed of the beam."""
    spill_s = report["played_spill_s"]
    if spill_s <= 0:
        return
    busy = ", ".join(f"{name} {seconds / spill_s:.2f}" for name, seconds in report["stage_busy_s"].items())
    yield from textwrap.wrap(f"cores     at real time: {busy}", COLUMNS, subsequent_indent=INDENT)
