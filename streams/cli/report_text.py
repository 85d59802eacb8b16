"""The report of a replay for a person, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.cli.l1_text import render_l1, stage_times
from streams.cli.losses_text import render_losses
from streams.cli.monitors_text import beam_lines, render_searches
from streams.cli.rate_text import rate_text
from streams.report import Report

COLUMNS: Final = 80
INDENT: Final = " " * 10

MOST_SPILLS: Final = 20
"""Spills that have a line of their own; of more, only those that are not as they should be."""


def render(report: Report, console: Console) -> None:
    """Print the report of a replay through the trigger."""
    _say(console, f"{_head(report)}, menu {report['menu']}, {_beam(report)}")
    console.print(_line_table(report))
    for note in _notes(report):
        _say(console, note)
    dispatched = ""
    if any(line["lost_choke"] or line["lost_dead_time"] for line in report["lines"]):
        console.print(_dispatch_table(report))
        dispatched = " dispatched"
    if report["beam_s"] > 0:
        rate = rate_text(report["l0_rate_hz"], report["l0_rate_error_hz"])
        _say(console, f"L0 total  {rate}{dispatched} ({report['l0_triggers']:,} triggers)")
    if report["l1"] is not None:
        render_l1(report, console)
    if report["monitors"] is not None and report["l1"] is not None:
        render_searches(report["monitors"], console)
    if report["intensity_mhz"] is not None:
        _say(
            console,
            f"beam      about {report['intensity_mhz']:.0f} MHz, from the primitives of {report['intensity_from']}",
        )
    if report["monitors"] is not None:
        _say(console, *beam_lines(report["monitors"]))
    _say(console, *textwrap.wrap(_account(report), COLUMNS, subsequent_indent=INDENT))
    _say(console, *_delivery(report))
    if report["l1"] is not None:
        _say(console, *stage_times(report))
    if any("ideal" in line for line in report["lines"]):
        render_losses(report, console)


def render_served(report: Report, console: Console) -> None:
    """Print the report of a replay to readers outside."""
    _say(console, f"{_head(report)}, to {', '.join(report['readers']) or 'no reader'}")
    rows = ", ".join(f"{n:,} {name}" for name, n in report["primitives"].items())
    _say(console, *textwrap.wrap(f"sent      {rows}", COLUMNS, subsequent_indent=INDENT))
    _say(console, *_delivery(report))


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _head(report: Report) -> str:
    """Name what was played."""
    if report["run"] is None:
        return f"{report['experiment']} {len(report['spills'])} spills"
    return f"{report['experiment']} run {report['run']} burst {report['burst']}"


def _line_table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("line")
    for title in ("before downscaling", "keeps 1 in", "after downscaling"):
        table.add_column(title, justify="right")
    for line in report["lines"]:
        before, after = (_line_rate(line, name) for name in ("before", "after"))
        style = None if line["active"] else "dim"
        table.add_row(line["name"], before, f"{line['downscaling']:,}", after, style=style)
    return table


def _dispatch_table(report: Report) -> Table:
    """What is left of the lines behind choke and dead time."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("line")
    for title in ("lost to choke", "lost to dead time", "dispatched"):
        table.add_column(title, justify="right")
    for line in report["lines"]:
        if line["active"]:
            lost = (f"{line[name]:,}" for name in ("lost_choke", "lost_dead_time"))
            table.add_row(line["name"], *lost, _line_rate(line, "dispatched"))
    return table


def _line_rate(line: Report, name: str) -> str:
    if not line["active"]:
        return "inactive"
    rate = line[f"rate_{name}_hz"]
    return "-" if rate is None else rate_text(rate, line[f"rate_{name}_error_hz"])


def _notes(report: Report) -> Iterator[str]:
    """Say why there are no rates, why lines are inactive or lack a veto; each reason once."""
    if report["beam_s"] == 0:
        untouched = report["interrupted"] and report["played_spill_s"] == 0
        yield "nothing was played" if untouched else "the spill has no primitives, so there are no rates"
    reasons: dict[str, list[str]] = {}
    for line in report["lines"]:
        for reason in [line["reason"]] if not line["active"] else line["unapplied"]:
            reasons.setdefault(reason, []).append(line["name"])
    for reason, names in reasons.items():
        yield from textwrap.wrap(f"{reason}: {', '.join(names)}", COLUMNS, subsequent_indent=INDENT)


def _delivery(report: Report) -> Iterator[str]:
    """Say how the spills were played, and whether all is accounted for."""
    yield from _spills(report)
    if report["interrupted"]:
        yield f"stopped   after {report['played_spill_s']:.3f} s of {report['spill_s']:.3f} s of spill"
    asked = "" if report["asked_speed"] is None else f" of {report['asked_speed']:g} asked"
    yield f"speed     {report['achieved_speed']:.4g} x real time{asked} ({report['elapsed_s']:.2f} s)"
    late = report["late_s"]
    if late is not None and late["worst"] is not None:
        times = ", ".join(f"{name} {_time(value)}" for name, value in late.items())
        yield f"late      blocks by {times}"
    yield from _mishaps(report)
    state = "closed" if report["ledger_closed"] else "NOT CLOSED"
    yield f"ledger    {state}, {report['lost_in_transport']:,} lost in transport"
    for name, account in report["ledger"].items():
        if not account["closed"]:
            yield f"{INDENT}{name}: {account}"


def _spills(report: Report) -> Iterator[str]:
    """One line for each of several spills."""
    spills = report["spills"]
    if len(spills) == 1:
        return
    for spill in spills:
        good = spill["ledger_closed"] and not spill["redone"] and not spill["interrupted"]
        if len(spills) <= MOST_SPILLS or not good:
            count = f", {spill['l0_triggers']:,} triggers" if "l0_triggers" in spill else ""
            state = "closed" if spill["ledger_closed"] else "NOT CLOSED"
            quality = f"{spill['monitors']['spill']['quality']}, " if "monitors" in spill else ""
            yield (
                f"spill     {spill['index'] + 1}: run {spill['run']} burst {spill['burst']}{count}, speed "
                f"{spill['achieved_speed']:.4g}, {quality}{state}"
            )


def _mishaps(report: Report) -> Iterator[str]:
    """Say what went wrong on the way and was made good."""
    if report["redone"]:
        yield f"redone    a spill was begun again {report['redone']:,} times, for a stage or reader started anew"
    for name, link in report["links"].items():
        what = {
            "reconnections": "reconnections",
            "redelivered": "messages sent again",
            "duplicates": "came twice",
            "out_of_order": "out of order",
            "stale": "stale",
            "malformed": "malformed",
        }
        found = ", ".join(f"{link[key]:,} {word}" for key, word in what.items() if link[key])
        if found:
            yield f"link      {name}: {found}"


def _beam(report: Report) -> str:
    if report["beam_span_s"] is None:
        if report["interrupted"] and report["played_spill_s"] == 0:
            return "stopped before it began"
        return "no primitives" if report["beam_s"] == 0 else f"{report['beam_s']:.3f} s of beam"
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


def _time(time_s: float) -> str:
    """Write a short time in the unit that suits it."""
    if time_s >= 1:
        return f"{time_s:.2f} s"
    return f"{time_s * 1e3:.3g} ms" if time_s >= 1e-3 else f"{time_s * 1e6:.0f} us"
