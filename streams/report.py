"""The report of a replay: plain dictionaries, what `--json` prints. Those of several spills add up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from streams.counts import LineLosses
from streams.exchange import SpillEnd, SpillStart, Stages
from streams.ledger import Account
from streams.monitors import rates
from streams.monitors.accounts import spill_accounts, transport_loss
from streams.monitors.rates import Snapshot
from streams.report_l1 import (
    l1_report,
    line_reports,
    rated_l1,
    total_l1,
    with_l1_rates,
)
from streams.report_monitors import total_monitors
from streams.timing import Lateness
from streams.wire.state import LinkState
from trigger.activity import LineActivity
from trigger.clock import FRAME_S, seconds
from trigger.experiment import Experiment
from trigger.l0.fates import CAUSES
from trigger.menu import Control, Line, Menu

Report = dict[str, Any]

LINE_COUNTS: Final = (
    "beam_s",
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
    if now.l1 is not None:
        lines = [line | {"l1": l1} for line, l1 in zip(lines, line_reports(now.l1, menu), strict=True)]
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
        "l1": None if now.l1 is None else l1_report(now.l1, menu),
        "cases": [
            {"kind": kind, "cause": cause or None, "time_s": seconds(time), "spill": now.start.index}
            for kind, cause, time in end.cases
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
        name: sum((Account.of(report["ledger"][name]) for report in reports), Account(0, 0)).as_dict()
        for name in first["ledger"]
    }
    if "lines" in first:
        summed |= _total_lines(reports)
        summed["l1"] = total_l1([report["l1"] for report in reports])
        summed["monitors"] = total_monitors([report.get("monitors") for report in reports])
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
    """Add the rates, with their errors, that follow from the counts.

    The error of the total is that of its lines in quadrature: sqrt(N) would be too large for downscaled ones.
    """
    lines = [_with_rates(line) for line in report["lines"]]
    lines = [with_l1_rates(line) if line.get("l1") else line for line in lines]
    rate, error = rates.rate(report["l0_triggers"], report["beam_s"])
    errors = [line["rate_after_error_hz"] for line in lines if line["rate_after_error_hz"] is not None]
    return report | {
        "lines": lines,
        "l1": rated_l1(report["l1"], report["beam_s"]),
        "l0_rate_hz": rate,
        "l0_rate_error_hz": math.hypot(*errors) if errors else error,
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
        "beam_s": now.beam_s if verdict.active else 0.0,
        "repeats": 1.0,
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


def _with_rates(line: Report) -> Report:
    """Add the rates of a line, per time in which it could fire; those of one that never could are None."""
    names = ("before", "after", "dispatched")
    values: list[tuple[float | None, float | None]] = [(None, None)] * len(names)
    if line["active"] and line["beam_s"] > 0:
        before, after, beam_s, repeats = line["before"], line["after"], line["beam_s"], line["repeats"]
        kept = rates.downscaled_rate(before, after, line["downscaling"], beam_s, repeats)
        lost = (line["lost_choke"] + line["lost_dead_time"]) * repeats
        behind = line["dispatched"] / beam_s, math.hypot(kept[1], math.sqrt(lost) / beam_s)
        values = [rates.rate(before, beam_s, repeats), kept, behind]
    found = dict(zip(names, values, strict=True))
    return line | {
        key: value
        for name, (rate, error) in found.items()
        for key, value in ((f"rate_{name}_hz", rate), (f"rate_{name}_error_hz", error))
    }


def _total_lines(reports: Sequence[Report]) -> Report:
    """Add the lines; their counters begin where the first spill's did and end where the last one's do."""
    counters = [report["downscaling_counters"] for report in reports]
    return {
        "lines": [_total_line(reports, i) for i in range(len(reports[0]["lines"]))],
        "downscaling_counters": {
            name: {"start": begin["start"], "end": counters[-1][name]["end"]}
            for name, begin in counters[0].items()
        },
        "cases": _first_cases(reports),
    }


def _total_line(reports: Sequence[Report], which: int) -> Report:
    """Add a line over spills; it is active if it was in one of them."""
    lines = [report["lines"][which] for report in reports]
    active = next((line for line in lines if line["active"]), lines[0])
    total_line: Report = active | {
        name: sum(line[name] for line in lines) for name in LINE_COUNTS if name in active
    }
    for name in ("lost", "gained"):
        if name in active:
            total_line[name] = _total_counts([line[name] for line in lines])
    if "l1" in active:
        total_line["l1"] = total_l1([line["l1"] for line in lines])
    if active["active"]:
        total_line["unapplied"] = _in_some(lines)
    return total_line | {"repeats": _repeats(reports, which)}


def _in_some(lines: Sequence[Report]) -> list[str]:
    """What a line lacked, and in how many of the spills."""
    lacks = [f"inactive, {line['reason']}" for line in lines if not line["active"]]
    lacks += [text for line in lines if line["active"] for text in line["unapplied"]]
    return [
        text if n == len(lines) else f"{text} in {n} of {len(lines)} spills"
        for text, n in Counter(lacks).items()
    ]


def _repeats(reports: Sequence[Report], which: int) -> float:
    """How often each firing of a line was counted, in the mean, because its spill was played several times."""
    spills = [(report["file"], report["run"], report["burst"]) for report in reports]
    passes = Counter(spills)
    before = [report["lines"][which]["before"] for report in reports]
    repeated = sum(passes[spill] * n for spill, n in zip(spills, before, strict=True))
    return repeated / sum(before) if sum(before) else 1.0


def _first_cases(reports: Sequence[Report]) -> list[Report]:
    """The first cases of each kind and cause, over all spills."""
    found: dict[tuple[str, str | None], list[Report]] = {}
    most = 0
    for report in reports:
        mine = Counter((case["kind"], case["cause"]) for case in report["cases"])
        most = max([most, *mine.values()])
        for case in report["cases"]:
            found.setdefault((case["kind"], case["cause"]), []).append(case)
    return [case for cases in found.values() for case in cases[:most]]


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
