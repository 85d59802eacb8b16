"""The monitor stage: counts what arrives, serves metrics, and settles the spill at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from streams.exchange import L0Output, SpillEnd, SpillStart
from streams.metrics import MetricsServer, MonitorCollector
from streams.monitors import rates
from streams.report import build_report
from trigger.activity import activity
from trigger.experiment import Experiment
from trigger.menu import Menu


class MonitorStage:
    """One spill as the monitor sees it."""

    def __init__(self, start: SpillStart, menu: Menu, experiment: Experiment) -> None:
        self._menu = menu
        self._experiment = experiment
        self.verdicts = activity(menu, experiment, start.detectors)
        self._snapshot = rates.fresh(start)
        self._collector = MonitorCollector(menu, experiment, self.verdicts, self._snapshot)
        self._server: MetricsServer | None = None

    def serve(self, address: str) -> str:
        """Serve metrics at HOST:PORT; return the address of the page. Raises MetricsError."""
        self._server = MetricsServer(address, self._collector)
        return self._server.url

    def update(self, output: L0Output) -> float:
        """Take L0's answer to a block; return the fraction of the spill that is done."""
        began = time.thread_time()
        now = rates.advance(self._snapshot, output, self._experiment)
        now.monitor.busy_s += time.thread_time() - began
        self._snapshot = self._collector.snapshot = now
        return now.frames / max(now.start.n_frames, 1)

    def finish(self, end: SpillEnd, clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
        """Settle the spill; return its report."""
        elapsed_s = clock() - end.anchor_s
        return build_report(self._snapshot, end, self._menu, self._experiment, self.verdicts, elapsed_s)

    def close(self) -> None:
        """Stop serving metrics."""
        if self._server:
            self._server.close()
