"""The metrics of the trigger: the spill, its lines, L1, the stages and their links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from streams.metrics_row import Buckets, MetricRow, Values, View
from streams.monitors.accounts import spill_accounts
from streams.monitors.rates import Snapshot
from streams.report import link_states
from streams.report_l1 import line_reports
from streams.timing import BINS_PER_DECADE, LABELS
from trigger.l0.fates import CAUSES
from trigger.l1.fates import FATES, NOTES


def _single(value: Callable[[Snapshot], float]) -> Callable[[View], Values]:
    return lambda view: {(): value(view.now)}


def _info(view: View) -> Values:
    start = view.now.start
    return {(start.experiment, str(start.run), str(start.burst), view.menu.name, start.file): 1.0}


def _by_line(rows: str) -> Callable[[View], Values]:
    return lambda view: {(line.name,): float(view.now.rows(rows)[row]) for row, line in view.menu.rows}


def _lost(view: View) -> Values:
    counts = view.now.counts
    by_reason = {name: view.now.rows(name) for name in ("same_tick", "choke", "dead_time")}
    if counts.losses is not None:
        by_reason["same_slot"] = counts.losses.same_slot
        by_reason |= {cause: counts.losses.lost[:, k] for k, cause in enumerate(CAUSES)}
    return {
        (line.name, reason): float(rows[row])
        for row, line in view.menu.rows
        for reason, rows in by_reason.items()
    }


def _gained(view: View) -> Values:
    losses = view.now.counts.losses
    if losses is None:
        return {}
    return {
        (line.name, cause): float(losses.gained[row, k])
        for row, line in view.menu.rows
        for k, cause in enumerate(CAUSES)
    }


def _by_stage(what: str) -> Callable[[View], Values]:
    return lambda view: {(name,): float(getattr(totals, what)) for name, totals in view.now.stages.items()}


def _by_link(what: str) -> Callable[[View], Values]:
    return lambda view: {
        (name,): float(getattr(state, what)) for name, state in link_states(view.now.stages).items()
    }


def _rejected(view: View) -> Values:
    reasons = ("malformed", "duplicates", "out_of_order", "stale")
    return {
        (name, reason): float(getattr(state, reason))
        for name, state in link_states(view.now.stages).items()
        for reason in reasons
    }


def _balances(view: View) -> Values:
    accounts = spill_accounts(view.now, view.menu, partly=True)
    return {(name,): float(account.balance) for name, account in accounts.items()}


def _entries(view: View) -> Values:
    return {(k,): float(v) for k, v in view.now.counts.account.items() if k not in ("words", "triggers")}


def _l1_events(view: View) -> Values:
    l1 = view.now.l1
    return {} if l1 is None else {(name,): float(n) for name, n in zip(FATES, l1.fates, strict=True)}


def _l1_notes(view: View) -> Values:
    l1 = view.now.l1
    return {} if l1 is None else {(name,): float(n) for name, n in zip(NOTES, l1.notes, strict=True)}


def _l1_lines(name: str) -> Callable[[View], Values]:
    """Return one count of the lines; of `failed`, by algorithm."""

    def values(view: View) -> Values:
        if view.now.l1 is None:
            return {}
        found = zip(view.menu.line, line_reports(view.now.l1, view.menu), strict=False)
        if name != "failed":
            return {(line.name,): float(report[name]) for line, report in found if report}
        return {
            (line.name, step): float(n)
            for line, report in found
            if report
            for step, n in report["failed"].items()
        }

    return values


def _lateness(view: View) -> Buckets:
    """Two buckets a decade."""
    edges = LABELS[: -1 : BINS_PER_DECADE // 2]
    buckets = [(edge, float(view.late.up_to(float(edge)))) for edge in edges]
    return {(): ([*buckets, ("+Inf", float(view.late.n))], view.late.sum_s)}


_COUNTER, _GAUGE = CounterMetricFamily, GaugeMetricFamily

TRIGGER_TABLE: Final = (
    MetricRow(
        "ktrig_spill",
        InfoMetricFamily,
        ("experiment", "run", "burst", "menu", "file"),
        "Which spill is being played, with which menu.",
        _info,
    ),
    MetricRow(
        "ktrig_spill_position_seconds",
        _GAUGE,
        (),
        "Time in the spill reached.",
        _single(lambda n: n.position_s),
    ),
    MetricRow(
        "ktrig_beam_intensity_hertz",
        _GAUGE,
        (),
        "Beam particles a second, estimated from the last block; NaN without its detector.",
        _single(lambda n: n.intensity_hz),
    ),
    MetricRow(
        "ktrig_primitives",
        _COUNTER,
        ("detector",),
        "L0 primitives that L0 received.",
        lambda view: {(k,): float(v) for k, v in view.now.stages["l0"].primitives.items()},
    ),
    MetricRow(
        "ktrig_line_active",
        _GAUGE,
        ("line",),
        "1 if the line's detectors are in the spill.",
        lambda view: {(v.name,): float(v.active) for v in view.verdicts},
    ),
    MetricRow(
        "ktrig_l0_before_downscaling",
        _COUNTER,
        ("line",),
        "Firings that downscaling saw.",
        _by_line("before"),
    ),
    MetricRow(
        "ktrig_l0_after_downscaling", _COUNTER, ("line",), "Firings that downscaling kept.", _by_line("after")
    ),
    MetricRow(
        "ktrig_l0_dispatched",
        _COUNTER,
        ("line",),
        "Triggers with the line's flag that the monitor received.",
        _by_line("seen"),
    ),
    MetricRow(
        "ktrig_l0_lost",
        _COUNTER,
        ("line", "reason"),
        "Firings lost: in the tick of a trigger, behind downscaling to choke and dead time; with --explain also "
        "those that an ideal processor has and this one has not, by cause.",
        _lost,
    ),
    MetricRow(
        "ktrig_l0_gained",
        _COUNTER,
        ("line", "reason"),
        "With --explain: firings that an ideal processor would not have, by cause.",
        _gained,
    ),
    MetricRow(
        "ktrig_l0_entries",
        _COUNTER,
        ("outcome",),
        "Reference and control primitives that became no trigger, by fate.",
        _entries,
    ),
    MetricRow(
        "ktrig_l0_triggers",
        _COUNTER,
        (),
        "L0 triggers that the monitor received.",
        _single(lambda n: n.triggers_seen),
    ),
    MetricRow(
        "ktrig_l1_events",
        _COUNTER,
        ("fate",),
        "Events that L1 concluded, by fate: accepted, rejected, reduced, downscaled, not_read_out.",
        _l1_events,
    ),
    MetricRow(
        "ktrig_l1_noted",
        _COUNTER,
        ("what",),
        "Of them, those bypassed, autopassed, with an overflow in STRAW, or with incomplete hits.",
        _l1_notes,
    ),
    MetricRow(
        "ktrig_l1_line_input",
        _COUNTER,
        ("line",),
        "Events with the line's flag that L1 concluded.",
        _l1_lines("input"),
    ),
    MetricRow(
        "ktrig_l1_line_failed",
        _COUNTER,
        ("line", "algorithm"),
        "Of them, those that an algorithm was the first to fail.",
        _l1_lines("failed"),
    ),
    MetricRow(
        "ktrig_l1_line_accepted",
        _COUNTER,
        ("line",),
        "Of them, those accepted with the line's bit.",
        _l1_lines("kept"),
    ),
    MetricRow(
        "ktrig_blocks", _COUNTER, ("stage",), "Blocks that a stage has dealt with.", _by_stage("blocks")
    ),
    MetricRow(
        "ktrig_stage_busy_seconds",
        _COUNTER,
        ("stage",),
        "CPU time of reading, computing or counting.",
        _by_stage("busy_s"),
    ),
    MetricRow(
        "ktrig_block_lateness_seconds",
        HistogramMetricFamily,
        (),
        "Time between when a block was due and when it left the source; empty at speed max.",
        buckets=_lateness,
    ),
    MetricRow(
        "ktrig_link_queued_messages",
        _GAUGE,
        ("link",),
        "Messages that the sender keeps until the receiver has dealt with them.",
        _by_link("queued_messages"),
    ),
    MetricRow("ktrig_link_queued_bytes", _GAUGE, ("link",), "Their size.", _by_link("queued_bytes")),
    MetricRow(
        "ktrig_link_credit_bytes",
        _GAUGE,
        ("link",),
        "Bytes that the receiver would still take at once.",
        _by_link("credit_bytes"),
    ),
    MetricRow(
        "ktrig_link_redelivered",
        _COUNTER,
        ("link",),
        "Messages sent once more after a connection was lost.",
        _by_link("redelivered"),
    ),
    MetricRow(
        "ktrig_link_rejected",
        _COUNTER,
        ("link", "reason"),
        "Messages that were not taken: malformed, duplicates, out_of_order, stale.",
        _rejected,
    ),
    MetricRow(
        "ktrig_link_reconnections",
        _COUNTER,
        ("link",),
        "Connections of the receiver after its first.",
        _by_link("reconnections"),
    ),
    MetricRow(
        "ktrig_link_restarts",
        _COUNTER,
        ("link",),
        "Receivers that were started anew in the middle of a spill, which was then sent again.",
        _by_link("restarts"),
    ),
    MetricRow(
        "ktrig_ledger_balance",
        _GAUGE,
        ("account",),
        "What came in less what is accounted for, by stage and line; 0 if the sum closes.",
        _balances,
    ),
)
