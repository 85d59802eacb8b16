"""The report of a replay: a plain dictionary (`--json`), and the same for a person at 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from streams.monitors import ledger, rates
from streams.monitors.rates import Snapshot
from streams.stages.exchange import SpillEnd
from trigger.activity import LineActivity
from trigger.clock import FRAME_S
from trigger.experiment import Experiment
from trigger.menu import Control, Line, Menu

Report = dict[str, Any]


def build_report(
    now: Snapshot,
    end: SpillEnd,
    menu: Menu,
    experiment: Experiment,
    verdicts: list[LineActivity],
    elapsed_s: float,
) -> Report:
    """Put a finished spill together. Rates are per second between the first and last frame with primitives."""
    assert end.l0 is not None
    accounts = [ledger.l0_entries(menu, end, now.counts, now.triggers_seen)]
    lines = []
    for (row, line), verdict in zip(menu.rows, verdicts, strict=True):
        account = ledger.line_account(row, line, now.counts, int(now.after_seen[row]))
        accounts.append(account)
        lines.append(_line(row, line, now, verdict, account))
    total, total_error = rates.rate(now.triggers_seen, now.beam_s)
    lost = ledger.lost_in_transport(end, now.counts, now.triggers_seen)
    spill_s = now.start.n_frames * FRAME_S
    stages = {"source": end.source, "l0": end.l0, "monitor": now.monitor}
    return {
        "experiment": experiment.name,
        "run": now.start.run,
        "burst": now.start.burst,
        "menu": menu.name,
        "menu_hash": menu.hash,
        "spill_s": spill_s,
        "beam_s": now.beam_s,
        "beam_span_s": now.beam_span_s,
        "elapsed_s": elapsed_s,
        "achieved_speed": spill_s / elapsed_s if elapsed_s > 0 else 0.0,
        "primitives": end.l0.primitives,
        "intensity_mhz": _mean_intensity_mhz(now, experiment),
        "intensity_from": experiment.beam.intensity_detector,
        "lines": lines,
        "l0_triggers": now.triggers_seen,
        "l0_rate_hz": total,
        "l0_rate_error_hz": total_error,
        "lost_in_transport": lost,
        "missing_blocks": end.missing_blocks,
        "malformed_messages": end.malformed,
        "ledger": {a.name: a.as_dict() for a in accounts},
        "ledger_closed": all(a.closed for a in accounts) and lost == end.missing_blocks == 0,
        "blocks": {name: totals.blocks for name, totals in stages.items()},
        "stage_busy_s": {name: totals.busy_s for name, totals in stages.items()},
    }


def _line(
    row: int, line: Line | Control, now: Snapshot, verdict: LineActivity, account: ledger.Account
) -> Report:
    """Describe a line; the rates of one that cannot fire are None."""
    before, after = int(now.counts.before[row]), int(now.after_seen[row])
    rate, error = rates.rate(before, now.beam_s)
    after_rate, after_error = rates.downscaled_rate(before, after, line.downscaling, now.beam_s)
    names = ("rate_before_hz", "rate_before_error_hz", "rate_after_hz", "rate_after_error_hz")
    values = (rate, error, after_rate, after_error) if verdict.active else (None,) * len(names)
    return {
        "name": line.name,
        "condition": line.condition,
        "downscaling": line.downscaling,
        "active": verdict.active,
        "reason": verdict.reason,
        "unapplied": list(verdict.unapplied),
        "before": before,
        "after": after,
        **dict(zip(names, values, strict=True)),
        "lost_same_tick": account.lost["same_tick"],
    }


def _mean_intensity_mhz(now: Snapshot, experiment: Experiment) -> float | None:
    """Mean beam intensity over the beam time, from the primitives of one detector; None without it."""
    beam = experiment.beam
    if beam.intensity_detector not in now.l0.primitives or now.beam_s == 0:
        return None
    primitives = now.l0.primitives[beam.intensity_detector]
    return primitives / now.beam_s / beam.primitives_per_beam_particle * 1e-6


def render(report: Report, console: Console) -> None:
    """Print a report."""
    console.print(
        f"{report['experiment']} run {report['run']} burst {report['burst']}, "
        f"menu {report['menu']}, {report['beam_s']:.3f} s of beam",
        highlight=False,
    )
    console.print(_line_table(report))
    for note in _notes(report):
        console.print(note, highlight=False)
    console.print(
        f"L0 total  {_rate(report['l0_rate_hz'], report['l0_rate_error_hz'])} "
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
                _rate(line["rate_before_hz"], line["rate_before_error_hz"]),
                f"{line['downscaling']:,}",
                _rate(line["rate_after_hz"], line["rate_after_error_hz"]),
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
        yield f"{reason}: {', '.join(names)}"


def _closing(report: Report) -> Iterator[str]:
    if report["intensity_mhz"] is not None:
        yield f"beam      {report['intensity_mhz']:.0f} MHz on average"
    yield f"speed     {report['achieved_speed']:.3f} x real time ({report['elapsed_s']:.2f} s)"
    state = "closed" if report["ledger_closed"] else "NOT CLOSED"
    yield f"ledger    {state}, {report['lost_in_transport']:,} lost in transport"
    for name, account in report["ledger"].items():
        if not account["closed"]:
            yield f"          {name}: {account}"


def _rate(hz: float, error_hz: float) -> str:
    """Write a rate with its error to two digits, in the unit that suits the rate."""
    unit, scale = next(((u, s) for u, s in (("MHz", 1e6), ("kHz", 1e3)) if hz >= s), ("Hz", 1.0))
    error = error_hz / scale
    digits = max(1 - math.floor(math.log10(error)), 0) if error > 0 else 0
    return f"{hz / scale:,.{digits}f} +- {error:.{digits}f} {unit}"
