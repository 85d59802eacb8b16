"""Prometheus metrics: one collector that reads the monitor's state when it is scraped; nothing is per event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streams.monitors.accounts import spill_accounts
from streams.monitors.rates import Snapshot
from streams.report import link_states
from streams.timing import BINS_PER_DECADE, LABELS, Lateness
from trigger.activity import LineActivity
from trigger.errors import KtrigError
from trigger.l0.fates import CAUSES
from trigger.menu import Menu

MAX_PORT: Final = 65535

Values = Mapping[tuple[str, ...], float]
"""Values of a metric by its labels."""


class MetricsError(KtrigError):
    """Metrics that cannot be served."""


@dataclass(frozen=True)
class View:
    """What a scrape looks at."""

    now: Snapshot
    menu: Menu
    verdicts: tuple[LineActivity, ...]


@dataclass(frozen=True)
class MetricRow:
    """A row of the table of metrics: name without `_total` or `_info`, labels, meaning, and its values in a view."""

    name: str
    kind: type[Metric]
    labels: tuple[str, ...]
    help: str
    values: Callable[[View], Values]


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


_COUNTER, _GAUGE = CounterMetricFamily, GaugeMetricFamily

TABLE: Final = (
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
        lambda _view: {},
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


class MonitorCollector(Collector):
    """Turns the monitor's snapshot into metric families; `snapshot` is replaced as a whole, so no lock is needed.

    Counters go on over the spills of a replay; one that is begun again starts where it did.
    """

    def __init__(self, menu: Menu) -> None:
        self.snapshot: Snapshot | None = None
        self._menu = menu
        self._verdicts: tuple[LineActivity, ...] = ()
        self._before: dict[str, Values] = {}
        self._late = Lateness()
        self._finished: View | None = None

    def begin(self, first: Snapshot, verdicts: list[LineActivity]) -> None:
        """Begin a spill."""
        if self._finished is not None:
            counters = [row for row in TABLE if row.kind is _COUNTER]
            self._before = {row.name: self._counts(row, self._finished) for row in counters}
            self._late += self._finished.now.late
            self._finished = None
        self._verdicts = tuple(verdicts)
        self.snapshot = first

    def finish(self) -> None:
        """Keep the counts of the spill for those of the next to be added to; a scrape sees it until that begins."""
        assert self.snapshot is not None
        self._finished = View(self.snapshot, self._menu, self._verdicts)

    def _counts(self, row: MetricRow, view: View) -> Values:
        before = self._before.get(row.name, {})
        return {labels: value + before.get(labels, 0.0) for labels, value in row.values(view).items()}

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of `TABLE`; nothing before the first spill has begun."""
        now = self.snapshot
        if now is None:
            return
        view = View(now, self._menu, self._verdicts)
        for row in TABLE:
            if row.kind is HistogramMetricFamily:
                yield _histogram(row, self._late + now.late)
                continue
            values = self._counts(row, view) if row.kind is _COUNTER else row.values(view)
            family = row.kind(row.name, row.help, labels=row.labels)  # type: ignore[call-arg]
            for labels, value in values.items():
                if row.kind is InfoMetricFamily:
                    family.add_metric((), dict(zip(row.labels, labels, strict=True)))  # type: ignore[attr-defined]
                else:
                    family.add_metric(labels, value)  # type: ignore[attr-defined]
            yield family


def _histogram(row: MetricRow, late: Lateness) -> Metric:
    """Cumulative, two buckets a decade."""
    edges = LABELS[: -1 : BINS_PER_DECADE // 2]
    buckets = [(edge, float(late.up_to(float(edge)))) for edge in edges]
    return HistogramMetricFamily(
        row.name, row.help, buckets=[*buckets, ("+Inf", float(late.n))], sum_value=late.sum_s
    )


def parse_address(address: str) -> tuple[str, int]:
    """Split HOST:PORT. Raises MetricsError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > MAX_PORT:
        raise MetricsError(f"--metrics {address}: give HOST:PORT, as 127.0.0.1:9100; port 0 takes a free one")
    return host.removeprefix("[").removesuffix("]"), int(port)


class MetricsServer:
    """Serves a collector at http://HOST:PORT/metrics from a thread, until it is closed."""

    def __init__(self, address: str, collector: Collector) -> None:
        """Start serving. Raises MetricsError if the address is taken or wrong."""
        host, port = parse_address(address)
        registry = CollectorRegistry()
        registry.register(collector)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, UnicodeError) as wrong:
            reason = getattr(wrong, "strerror", None) or "not the name of a host"
            raise MetricsError(f"--metrics {address}: {reason}; choose another HOST:PORT") from None
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
