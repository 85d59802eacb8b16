"""Prometheus metrics: one collector that reads the monitor's state when it is scraped; nothing is per event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.metrics_row import MetricRow, Values, View
from streams.metrics_table import TABLE
from streams.monitors.rates import Snapshot
from streams.timing import Lateness
from trigger.activity import LineActivity
from trigger.errors import KtrigError
from trigger.menu import Menu

if TYPE_CHECKING:
    from streams.monitors.watch import Watch

MAX_PORT: Final = 65535


class MetricsError(KtrigError):
    """Metrics that cannot be served."""


class MonitorCollector(Collector):
    """Turns the monitor's state into metric families; `snapshot` is replaced as a whole, so no lock is needed.

    Counters go on over the spills of a replay; one that is begun again starts where it did. watch: the monitors of
    beam and peaks, whose arrays only grow while they are read.
    """

    def __init__(self, menu: Menu) -> None:
        self.snapshot: Snapshot | None = None
        self._menu = menu
        self._verdicts: tuple[LineActivity, ...] = ()
        self._before: dict[str, Values] = {}
        self._late = Lateness()
        self._finished: View | None = None
        self.watch: Watch | None = None

    def begin(self, first: Snapshot, verdicts: list[LineActivity]) -> None:
        """Begin a spill."""
        if self._finished is not None:
            counters = [row for row in TABLE if row.kind is CounterMetricFamily]
            self._before = {row.name: self._counts(row, self._finished) for row in counters}
            self._late = self._finished.late
            self._finished = None
        self._verdicts = tuple(verdicts)
        self.snapshot = first

    def finish(self) -> None:
        """Keep the counts of the spill for those of the next to be added to; a scrape sees it until that begins."""
        assert self.snapshot is not None
        self._finished = self._view(self.snapshot, finished=True)

    def _view(self, now: Snapshot, finished: bool) -> View:
        selected = self.watch.selected() if self.watch else {}
        late = self._late + now.late
        return View(now, self._menu, self._verdicts, late, finished, selected, self.watch)

    def _counts(self, row: MetricRow, view: View) -> Values:
        before = self._before.get(row.name, {})
        return {labels: value + before.get(labels, 0.0) for labels, value in row.values(view).items()}

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of `TABLE`, all of one state; nothing before the first spill has begun."""
        now = self.snapshot
        if now is None:
            return
        view = self._finished or self._view(now, finished=False)
        yield from [self._family(row, view) for row in TABLE]

    def _family(self, row: MetricRow, view: View) -> Metric:
        if row.kind is HistogramMetricFamily:
            return _histogram(row, view)
        values = self._counts(row, view) if row.kind is CounterMetricFamily else row.values(view)
        family = row.kind(row.name, row.help, labels=row.labels)  # type: ignore[call-arg]
        for labels, value in values.items():
            if row.kind is InfoMetricFamily:
                family.add_metric((), dict(zip(row.labels, labels, strict=True)))  # type: ignore[attr-defined]
            else:
                family.add_metric(labels, value)  # type: ignore[attr-defined]
        return family


def _histogram(row: MetricRow, view: View) -> Metric:
    family = HistogramMetricFamily(row.name, row.help, labels=row.labels)
    for labels, (buckets, total) in row.buckets(view).items():
        family.add_metric(labels, buckets, total)
    return family


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
