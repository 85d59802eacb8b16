"""A replay in one process, for a quick look and for debugging: the same stages, with nothing between them."""

from __future__ import annotations

from contextlib import closing, suppress

from streams import memory
from streams.report import Report, total_report
from streams.stages.l0 import L0Stage
from streams.stages.l1_inline import InlineL1
from streams.stages.monitor import MonitorStage
from streams.stages.request import Request, Watcher
from streams.stages.source import FileSource
from streams.wire.endpoint import Stopped


def replay_inline(request: Request, watcher: Watcher) -> Report:
    """Run all stages in this process."""

    def check() -> None:
        if watcher.stop():
            raise Stopped

    reports: list[Report] = []
    counters = request.counters
    with (
        closing(FileSource(request, check=check, reuse=True)) as source,
        closing(MonitorStage(request)) as monitor,
        closing(InlineL1(request)) as l1,
    ):
        if request.metrics:
            watcher.metrics_url(monitor.serve(request.metrics))
        while True:
            l0 = L0Stage(source.start, request, counters)
            l1.begin(l0.start)
            monitor.begin(l0.start)
            interrupted = _play(source, l0, l1, monitor, watcher, len(request.spills))
            end = source.end(interrupted)
            monitor.update(l1.process(l0.finish(end)))
            reports.append(monitor.finish(l1.end(l0.end(end))))
            counters = l0.counters
            if source.start.last or interrupted:
                break
            source.next_spill()
    return total_report(reports) | {"peak_pss_mib": memory.peak_rss_mib(), "restarts": {}}


def _play(
    source: FileSource, l0: L0Stage, l1: InlineL1, monitor: MonitorStage, watcher: Watcher, n_spills: int
) -> bool:
    """Play the blocks of a spill; return whether the caller ended it before its time."""
    with suppress(Stopped):
        for block in source.blocks():
            try:
                source.release(block)
            except Stopped:
                source.totals.take_back(block)
                raise
            source.left(block)
            output = l1.process(l0.process(block, source.totals, source.late))
            watcher.progress((source.start.index + monitor.update(output)) / n_spills)
            if watcher.stop():
                raise Stopped
        return False
    return True
