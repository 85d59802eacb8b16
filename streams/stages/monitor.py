"""The monitor stage: counts what arrives, serves metrics, and settles each spill at its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from streams.exchange import L0Output, SpillEnd, SpillStart
from streams.metrics import MetricsServer, MonitorCollector
from streams.monitors import rates
from streams.report import Report, build_report
from streams.stages.request import Request
from streams.wire.state import LinkState
from trigger.activity import activity


class MonitorStage:
    """The spills of a replay as the monitor sees them, one after the other."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._server: MetricsServer | None = None
        self._collector = MonitorCollector(request.menu)
        self.begun = False

    @property
    def start(self) -> SpillStart:
        """The present spill."""
        return self._snapshot.start

    def begin(self, start: SpillStart) -> None:
        """Begin a spill; one that was not finished is forgotten."""
        self.begun = True
        self._began_s = time.monotonic()
        self.verdicts = activity(self._request.menu, self._request.experiment, start.detectors)
        self._snapshot = rates.fresh(start)
        self._collector.begin(self._snapshot, self.verdicts)

    def serve(self, address: str) -> str:
        """Serve metrics at HOST:PORT; return the address of the page. Raises MetricsError."""
        self._server = MetricsServer(address, self._collector)
        return self._server.url

    def update(self, output: L0Output, link: LinkState | None = None) -> float:
        """Take L0's answer to a block, and the state of its link; return the fraction of the spill that is done."""
        began = time.thread_time()
        now = rates.advance(self._snapshot, output, self._request.experiment)
        monitor = now.stages["monitor"]
        if link is not None:
            monitor.links = {"monitor": link}
        monitor.busy_s += time.thread_time() - began
        self._snapshot = self._collector.snapshot = now
        return now.frames / max(now.start.n_frames, 1)

    def finish(self, end: SpillEnd, clock: Callable[[], float] = time.monotonic) -> Report:
        """Settle the spill; return its report."""
        elapsed_s = clock() - end.anchor_s
        self._collector.finish()
        return self._report(end, elapsed_s)

    def give_up(self, clock: Callable[[], float] = time.monotonic) -> Report:
        """Settle what has arrived of a spill that will not be finished; return its report."""
        now = self._snapshot
        elapsed_s = clock() - self._began_s
        counters = {
            line.name: (now.start.counters.get(line.name, 0) + int(now.counts.before[row])) % line.downscaling
            for row, line in self._request.menu.rows
        }
        end = SpillEnd(
            anchor_s=self._began_s,
            frames=now.frames,
            played_s=elapsed_s,
            asked_speed=self._request.speed,
            late=now.late,
            stages=now.stages,
            interrupted=True,
            counters=counters,
        )
        return self._report(end, elapsed_s)

    def _report(self, end: SpillEnd, elapsed_s: float) -> Report:
        request = self._request
        return build_report(self._snapshot, end, request.menu, request.experiment, self.verdicts, elapsed_s)

    def close(self) -> None:
        """Stop serving metrics."""
        if self._server:
            self._server.close()
