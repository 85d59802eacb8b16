"""A replay in one process, for a quick look and for debugging: the same stages, with nothing between them."""

from __future__ import annotations

from contextlib import closing

from streams import memory
from streams.exchange import L0Output
from streams.report import Report
from streams.stages.l0 import L0Stage
from streams.stages.monitor import MonitorStage
from streams.stages.request import Request, Watcher
from streams.stages.source import FileSource


def replay_inline(request: Request, watcher: Watcher) -> Report:
    """Run all stages in this process."""
    with (
        closing(FileSource(request.spill, request.speed, request.block_frames)) as source,
        closing(MonitorStage(source.start, request.menu, request.experiment)) as monitor,
    ):
        l0 = L0Stage(source.start, request.menu, request.experiment)
        if request.metrics:
            watcher.metrics_url(monitor.serve(request.metrics))
        last: L0Output | None = None
        for block in source.blocks():
            last = l0.process(block, source.totals)
            watcher.progress(monitor.update(last))
        end = source.end()
        monitor.update(l0.finish(last, end))
        report = monitor.finish(l0.end(end, 0, 0))
    report["peak_pss_mib"] = memory.peak_rss_mib()
    return report
