"""The report of a replay for a person, at 80 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.report import Report

COLUMNS: Final = 80
INDENT: Final = " " * 10


def render(report: Report, console: Console) -> None:
    """Print a report."""
    console.print(
        f"{report['experiment']} run {report['run']} burst {report['burst']}, "
        f"menu {report['menu']}, {_beam(report)}",
        highlight=False,
    )
    console.print(_line_table(report))
    for note in _notes(report):
        console.print(note, highlight=False)
    console.print(
        f"L0 total  {rate_text(report['l0_rate_hz'], report['l0_rate_error_hz'])} "
        f"({report['l0_triggers']:,} triggers)",
        highlight=False,
    )
    for text in _closing(report):
        console.print(text, highlight=False)


def _line_table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("line")
    for title in ("before downscaling", "keeps 1 in", "after downscaling"):
        table.add_column(title, justify="right")
    for line in report["lines"]:
        if line["active"]:
            table.add_row(
                line["name"],
                rate_text(line["rate_before_hz"], line["rate_before_error_hz"]),
                f"{line['downscaling']:,}",
                rate_text(line["rate_after_hz"], line["rate_after_error_hz"]),
            )
        else:
            table.add_row(line["name"], "inactive", f"{line['downscaling']:,}", "inactive", style="dim")
    return table


def _notes(report: Report) -> Iterator[str]:
    """Say why there are no rates, why lines are inactive or lack a veto; each reason once."""
    if report["beam_s"] == 0:
        yield "the spill has no primitives, so there are no rates"
    reasons: dict[str, list[str]] = {}
    for line in report["lines"]:
        for reason in [line["reason"]] if not line["active"] else line["unapplied"]:
            reasons.setdefault(reason, []).append(line["name"])
    for reason, names in reasons.items():
        yield from textwrap.wrap(f"{reason}: {', '.join(names)}", COLUMNS, subsequent_indent=INDENT)


def _closing(report: Report) -> Iterator[str]:
    if report["intensity_mhz"] is not None:
        yield f"beam      about {report['intensity_mhz']:.0f} MHz, from the primitives of {report['intensity_from']}"
    yield from textwrap.wrap(_account(report), COLUMNS, subsequent_indent=INDENT)
    yield f"speed     {report['achieved_speed']:.3f} x real time ({report['elapsed_s']:.2f} s)"
    state = "closed" if report["ledger_closed"] else "NOT CLOSED"
    yield f"ledger    {state}, {report['lost_in_transport']:,} lost in transport"
    for name, account in report["ledger"].items():
        if not account["closed"]:
            yield f"{INDENT}{name}: {account}"


def _beam(report: Report) -> str:
    if report["beam_span_s"] is None:
        return "no primitives"
    first, last = report["beam_span_s"]
    return f"beam from {first:.3f} to {last:.3f} s"


def _account(report: Report) -> str:
    """Say where the primitives went that can make a trigger, by size."""
    account = report["ledger"]["l0"]
    fates = {name: account[name] for name in ("merged", "rejected", "downscaled")} | account["lost"]
    ordered = sorted(fates.items(), key=lambda fate: -fate[1])
    words = [f"{n:,} {name.replace('_', ' ')}" for name, n in ordered if n]
    return f"account   {account['in']:,} reference and control primitives: " + ", ".join(
        [*words, f"{account['out']:,} triggers"]
    )


def rate_text(hz: float, error_hz: float, sign: str = "") -> str:
    """Write a rate with its error to two digits, in the unit that suits the rate; sign: "+" for a difference."""
    unit, scale = next(((u, s) for u, s in (("MHz", 1e6), ("kHz", 1e3)) if abs(hz) >= s), ("Hz", 1.0))
    error = error_hz / scale
    digits = max(1 - math.floor(math.log10(error)), 0) if error > 0 else 0
    return f"{hz / scale:{sign},.{digits}f} +- {error:.{digits}f} {unit}"
