"""The monitor stage: counts what arrives, serves metrics, and settles each spill at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import zmq

from streams.exchange import L0Output, SpillEnd, SpillStart
from streams.metrics import MetricsServer, MonitorCollector
from streams.monitors import rates
from streams.monitors.publisher import SnapshotPublisher
from streams.monitors.watch import Watch
from streams.report import Report, build_report
from streams.report_monitors import monitors_report
from streams.stages.request import Request
from streams.wire.state import LinkState
from trigger.activity import activity


class MonitorStage:
    """The spills of a replay as the monitor sees them, one after the other."""

    def __init__(self, request: Request) -> None:
        """Begin before a spill. Raises KtrigError if the snapshot, or the endpoint for new ones, cannot be used."""
        self._request = request
        self._server: MetricsServer | None = None
        self._collector = MonitorCollector(request.menu)
        self._watch = self._collector.watch = Watch(request)
        self._context: zmq.Context[Any] | None = None
        self._publisher: SnapshotPublisher | None = None
        if request.publish is not None:
            self._context = zmq.Context()
            self._publisher = SnapshotPublisher(self._context, request.publish)
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
        # In this order: a scrape in between still sees the spill before.
        self._watch.begin(start, self.verdicts)
        self._collector.begin(self._snapshot, self.verdicts)

    def serve(self, address: str) -> str:
        """Serve metrics at HOST:PORT; return the address of the page. Raises MetricsError."""
        self._server = MetricsServer(address, self._collector)
        return self._server.url

    def update(self, output: L0Output, link: LinkState | None = None) -> float:
        """Take L0's answer to a block, and the state of its link; return the fraction of the spill that is done."""
        began = time.thread_time()
        now = rates.advance(self._snapshot, output, self._request.experiment)
        self._watch.update(output)
        monitor = now.stages["monitor"]
        if link is not None:
            monitor.links = {"monitor": link}
        monitor.busy_s += time.thread_time() - began
        self._snapshot = self._collector.snapshot = now
        return now.frames / max(now.start.n_frames, 1)

    def finish(self, end: SpillEnd, clock: Callable[[], float] = time.monotonic) -> Report:
        """Settle the spill; return its report."""
        elapsed_s = clock() - end.anchor_s
        report = self._report(end, elapsed_s)
        self._collector.finish()
        return report

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
        request, watch, began = self._request, self._watch, time.thread_time()
        watched = watch.finish(self._snapshot, end.interrupted)
        if self._publisher is not None:
            self._publisher.publish(watch.snapshot())
        self._snapshot.stages["monitor"].busy_s += time.thread_time() - began
        report = build_report(self._snapshot, end, request.menu, request.experiment, self.verdicts, elapsed_s)
        return report | {"monitors": monitors_report(watched, watch.spills, watch.problem)}

    def close(self) -> None:
        """Stop serving metrics and sending snapshots."""
        if self._server:
            self._server.close()
        if self._publisher is not None:
            self._publisher.close()
        if self._context is not None:
            self._context.term()
