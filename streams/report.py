"""The report of a replay: a plain dictionary, what `--json` prints."""

from __future__ import annotations

from typing import Any

from streams.exchange import SpillEnd
from streams.monitors import ledger, rates
from streams.monitors.rates import Snapshot
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
        "beam_span_s": None if now.beam_span_s is None else list(now.beam_span_s),
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
