"""Prometheus metrics: one collector that reads the monitor's state when it is scraped; nothing is per event."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.monitors.rates import Snapshot
from trigger.activity import LineActivity
from trigger.errors import KtrigError
from trigger.experiment import Experiment
from trigger.menu import Menu

MAX_PORT: Final = 65535


class MetricsError(KtrigError):
    """Metrics that cannot be served."""


@dataclass(frozen=True)
class MetricName:
    """A row of the table of metrics: its name without `_total`, kind, labels and meaning."""

    name: str
    kind: type[Metric]
    labels: tuple[str, ...]
    help: str


TABLE: Final = (
    MetricName("ktrig_spill", InfoMetricFamily, (), "Which spill is being played, with which menu."),
    MetricName("ktrig_spill_position_seconds", GaugeMetricFamily, (), "Time in the spill reached."),
    MetricName(
        "ktrig_beam_intensity_hertz",
        GaugeMetricFamily,
        (),
        "Beam particles a second, estimated from the last block.",
    ),
    MetricName("ktrig_primitives", CounterMetricFamily, ("detector",), "L0 primitives that L0 received."),
    MetricName(
        "ktrig_line_active", GaugeMetricFamily, ("line",), "1 if the line's detectors are in the spill."
    ),
    MetricName(
        "ktrig_l0_before_downscaling", CounterMetricFamily, ("line",), "Firings that downscaling saw."
    ),
    MetricName(
        "ktrig_l0_after_downscaling", CounterMetricFamily, ("line",), "Triggers with the line's flag."
    ),
    MetricName(
        "ktrig_l0_same_tick",
        CounterMetricFamily,
        ("line",),
        "Firings lost in the tick of an earlier trigger.",
    ),
    MetricName(
        "ktrig_l0_entries", CounterMetricFamily, ("outcome",), "Reference and control primitives, by fate."
    ),
    MetricName("ktrig_l0_triggers", CounterMetricFamily, (), "L0 triggers that the monitor received."),
    MetricName("ktrig_blocks", CounterMetricFamily, ("stage",), "Blocks that a stage has dealt with."),
    MetricName(
        "ktrig_stage_busy_seconds",
        CounterMetricFamily,
        ("stage",),
        "CPU time of reading, computing or counting.",
    ),
)


class MonitorCollector(Collector):
    """Turns the monitor's snapshot into metric families; `snapshot` is replaced as a whole, so no lock is needed."""

    def __init__(
        self, menu: Menu, experiment: Experiment, verdicts: list[LineActivity], first: Snapshot
    ) -> None:
        self.snapshot = first
        self._menu = menu
        self._experiment = experiment
        self._verdicts = verdicts
        self._lines = {line.name: row for row, line in menu.rows}

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of `TABLE`."""
        now = self.snapshot
        values = self._values(now)
        for row in TABLE:
            if row.kind is InfoMetricFamily:
                yield InfoMetricFamily(row.name, row.help, value=self._info(now))
                continue
            family = row.kind(row.name, row.help, labels=row.labels)  # type: ignore[call-arg]
            for label, value in values[row.name].items():
                family.add_metric([label] if row.labels else [], value)  # type: ignore[attr-defined]
            yield family

    def _by_line(self, rows: NDArray[np.int64]) -> dict[str, float]:
        return {name: float(rows[row]) for name, row in self._lines.items()}

    def _info(self, now: Snapshot) -> dict[str, str]:
        return {
            "experiment": self._experiment.name,
            "run": str(now.start.run),
            "burst": str(now.start.burst),
            "menu": self._menu.name,
        }

    def _values(self, now: Snapshot) -> dict[str, Mapping[str, float]]:
        """Return for each metric its values by label ('' if it has none)."""
        counts = now.counts
        stages = {"source": now.source, "l0": now.l0, "monitor": now.monitor}
        return {
            "ktrig_spill_position_seconds": {"": now.position_s},
            "ktrig_beam_intensity_hertz": {"": now.intensity_hz},
            "ktrig_primitives": {name: now.l0.primitives.get(name, 0) for name in now.start.detectors},
            "ktrig_line_active": {v.name: float(v.active) for v in self._verdicts},
            "ktrig_l0_before_downscaling": self._by_line(counts.before),
            "ktrig_l0_after_downscaling": self._by_line(now.after_seen),
            "ktrig_l0_same_tick": self._by_line(counts.same_tick),
            "ktrig_l0_entries": {k: v for k, v in counts.account.items() if k != "words"},
            "ktrig_l0_triggers": {"": now.triggers_seen},
            "ktrig_blocks": {name: totals.blocks for name, totals in stages.items()},
            "ktrig_stage_busy_seconds": {name: totals.busy_s for name, totals in stages.items()},
        }


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
