"""The report of a replay that was stopped before anything was played."""

from __future__ import annotations

from dataclasses import replace

from streams.report import Report
from streams.spill.reader import SpillReader
from streams.stages.monitor import MonitorStage
from streams.stages.request import Request
from streams.stages.source import spill_start


def untouched_report(request: Request) -> Report:
    """Account for the first spill: all of it is not played."""
    path = request.spills[0]
    with SpillReader(path) as reader:
        start = spill_start(reader, path, 0, len(request.spills) == 1)
    # No spill was played: none is to be added to a snapshot.
    monitor = MonitorStage(replace(request, searches=False, snapshot=None, publish=None))
    monitor.begin(start)
    return monitor.give_up()
