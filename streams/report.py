"""The report of a replay: plain dictionaries, what `--json` prints. Those of several spills add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from streams.exchange import LineLosses, SpillEnd, SpillStart, Stages
from streams.ledger import Account, total
from streams.monitors import rates
from streams.monitors.accounts import spill_accounts, transport_loss
from streams.monitors.rates import Snapshot
from streams.timing import Lateness
from streams.wire.state import LinkState
from trigger.activity import LineActivity
from trigger.clock import FRAME_S, seconds
from trigger.experiment import Experiment
from trigger.l0.fates import CAUSES
from trigger.menu import Control, Line, Menu

Report = dict[str, Any]

LINE_COUNTS: Final = (
    "before",
    "after",
    "dispatched",
    "lost_same_tick",
    "lost_choke",
    "lost_dead_time",
    "ideal",
    "same_slot",
)
"""What of a line adds up over spills."""

SUMS: Final = (
    "spill_s",
    "played_spill_s",
    "played_s",
    "elapsed_s",
    "redone",
    "lost_in_transport",
    "malformed_messages",
    "redelivered_blocks",
    "beam_s",
    "l0_triggers",
)
"""What else adds up; the last two are the trigger's."""

OF_ONE_SPILL: Final = ("file", "run", "burst", "index", "beam_span_s")
"""What has no meaning for several spills."""


def delivery_report(
    start: SpillStart,
    end: SpillEnd,
    elapsed_s: float,
    stages: Stages,
    accounts: Mapping[str, Account],
    lost_in_transport: int,
) -> Report:
    """Say which spill was played, when and how it was delivered, and whether the ledger closes.

    elapsed_s: from the start of the spill until all of it was dealt with.
    """
    links = link_states(stages)
    return _timed(
        {
            "experiment": start.experiment,
            "file": start.file,
            "run": start.run,
            "burst": start.burst,
            "index": start.index,
            "interrupted": end.interrupted,
            "spill_s": start.n_frames * FRAME_S,
            "played_spill_s": end.frames * FRAME_S,
            "played_s": end.played_s,
            "elapsed_s": elapsed_s,
            "asked_speed": end.asked_speed,
            "late": asdict(end.late),
            "redone": end.attempts - 1,
            "lost_in_transport": lost_in_transport,
            "malformed_messages": sum(link.malformed for link in links.values()),
            "redelivered_blocks": sum(link.redelivered for link in links.values()),
            "links": {name: asdict(state) for name, state in links.items()},
            "ledger": {name: account.as_dict() for name, account in accounts.items()},
            "blocks": {name: totals.blocks for name, totals in stages.items()},
            "stage_busy_s": {name: totals.busy_s for name, totals in stages.items()},
        }
    )


def build_report(
    now: Snapshot,
    end: SpillEnd,
    menu: Menu,
    experiment: Experiment,
    verdicts: list[LineActivity],
    elapsed_s: float,
) -> Report:
    """Put a spill together. Rates are per second between the first and last frame with primitives."""
    accounts = spill_accounts(now, menu, end.interrupted)
    lost = transport_loss(now.stages["source"].primitives, now.stages["l0"].primitives)
    lost += accounts["monitor"].lost["in_transport"]
    lines = [_line(row, line, now, verdict) for (row, line), verdict in zip(menu.rows, verdicts, strict=True)]
    trigger = {
        "menu": menu.name,
        "menu_hash": menu.hash,
        "beam_s": now.beam_s,
        "beam_span_s": None if now.beam_span_s is None else list(now.beam_span_s),
        "primitives": now.stages["l0"].primitives,
        "intensity_from": experiment.beam.intensity_detector,
        "primitives_per_beam_particle": experiment.beam.primitives_per_beam_particle,
        "lines": lines,
        "l0_triggers": now.triggers_seen,
        "cases": [
            {"kind": kind, "cause": cause or None, "time_s": seconds(time)} for kind, cause, time in end.cases
        ],
        "downscaling_counters": {
            name: {"start": now.start.counters.get(name, 0), "end": n} for name, n in end.counters.items()
        },
    }
    return _rated(delivery_report(now.start, end, elapsed_s, now.stages, accounts, lost) | trigger)


def total_report(reports: Sequence[Report]) -> Report:
    """Add the reports of spills that were played one after the other; `spills` has them one by one."""
    first = reports[0]
    summed: Report = first | {name: sum(r[name] for r in reports) for name in SUMS if name in first}
    if len(reports) > 1:
        summed |= dict.fromkeys((name for name in OF_ONE_SPILL if name in first), None)
    summed["interrupted"] = any(report["interrupted"] for report in reports)
    summed["late"] = asdict(sum((Lateness(**report["late"]) for report in reports), Lateness()))
    for name in ("blocks", "stage_busy_s", "primitives"):
        summed[name] = _total_counts([report[name] for report in reports])
    summed["links"] = {
        name: asdict(sum((LinkState(**r["links"][name]) for r in reports if name in r["links"]), LinkState()))
        for name in first["links"]
    }
    summed["ledger"] = {
        name: total(Account.of(report["ledger"][name]) for report in reports).as_dict()
        for name in first["ledger"]
    }
    if "lines" in first:
        summed |= _total_lines(reports)
        summed = _rated(summed)
    return _timed(summed) | {"spills": [*reports]}


def link_states(stages: Stages) -> dict[str, LinkState]:
    """Return the state of each link, by the name of its receiver, from what its two ends say."""
    states: dict[str, LinkState] = {}
    for totals in stages.values():
        for name, state in totals.links.items():
            states[name] = states.get(name, LinkState()) + state
    return states


def _timed(report: Report) -> Report:
    """Add what follows from the counts and times: speed, lateness, whether the ledger closes."""
    asked = report["asked_speed"]
    # Of a replay as fast as it goes, what the source is done with may still be under way.
    played_s = report["elapsed_s"] if asked is None else report["played_s"]
    closed = all(account["closed"] for account in report["ledger"].values())
    return report | {
        "achieved_speed": report["played_spill_s"] / played_s if played_s > 0 else 0.0,
        "late_s": Lateness(**report["late"]).as_dict() if asked is not None else None,
        "ledger_closed": closed and report["lost_in_transport"] == 0,
    }


def _rated(report: Report) -> Report:
    """Add the rates, with their errors, that follow from the counts."""
    beam_s = report["beam_s"]
    rate, error = rates.rate(report["l0_triggers"], beam_s)
    return report | {
        "lines": [_with_rates(line, beam_s) for line in report["lines"]],
        "l0_rate_hz": rate,
        "l0_rate_error_hz": error,
        "intensity_mhz": _mean_intensity_mhz(report),
    }


def _line(row: int, line: Line | Control, now: Snapshot, verdict: LineActivity) -> Report:
    """Describe a line."""
    counts = now.counts
    return {
        "name": line.name,
        "condition": line.condition,
        "downscaling": line.downscaling,
        "active": verdict.active,
        "reason": verdict.reason,
        "unapplied": list(verdict.unapplied),
        "before": int(counts.before[row]),
        "after": int(counts.after[row]),
        "dispatched": int(now.seen[row]),
        **{f"lost_{name}": int(getattr(counts, name)[row]) for name in ("same_tick", "choke", "dead_time")},
        **_line_losses(row, counts.losses),
    }


def _line_losses(row: int, losses: LineLosses | None) -> Report:
    """What the line loses and gains against an ideal processor; nothing if that was not asked for."""
    if losses is None:
        return {}
    return {
        "ideal": int(losses.ideal[row]),
        "same_slot": int(losses.same_slot[row]),
        "lost": dict(zip(CAUSES, losses.lost[row].tolist(), strict=True)),
        "gained": dict(zip(CAUSES, losses.gained[row].tolist(), strict=True)),
    }


def _with_rates(line: Report, beam_s: float) -> Report:
    """Add the rates of a line; those of one that cannot fire are None."""
    before = rates.rate(line["before"], beam_s)
    after = rates.downscaled_rate(line["before"], line["after"], line["downscaling"], beam_s)
    names = ("rate_before_hz", "rate_before_error_hz", "rate_after_hz", "rate_after_error_hz")
    values = (*before, *after) if line["active"] else (None,) * len(names)
    return line | dict(zip(names, values, strict=True))


def _total_lines(reports: Sequence[Report]) -> Report:
    """Add the lines; their counters begin where the first spill's did and end where the last one's do."""
    counters = [report["downscaling_counters"] for report in reports]
    return {
        "lines": [_total_line([r["lines"][i] for r in reports]) for i in range(len(reports[0]["lines"]))],
        "downscaling_counters": {
            name: {"start": begin["start"], "end": counters[-1][name]["end"]}
            for name, begin in counters[0].items()
        },
    }


def _total_line(lines: Sequence[Report]) -> Report:
    """Add a line over spills; it is active if it was in one of them."""
    active = next((line for line in lines if line["active"]), lines[0])
    total_line = active | {name: sum(line[name] for line in lines) for name in LINE_COUNTS if name in active}
    for name in ("lost", "gained"):
        if name in active:
            total_line[name] = _total_counts([line[name] for line in lines])
    return total_line


def _total_counts(counts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for mapping in counts for name in mapping)
    return {name: sum(mapping.get(name, 0) for mapping in counts) for name in names}


def _mean_intensity_mhz(report: Report) -> float | None:
    """Mean beam intensity over the beam time, from the primitives of one detector; None without it."""
    primitives = report["primitives"].get(report["intensity_from"])
    if primitives is None or report["beam_s"] == 0:
        return None
    mean: float = primitives / report["beam_s"] / report["primitives_per_beam_particle"] * 1e-6
    return mean
