"""Replaying a spill file: in this process, or as three local processes over ZeroMQ. The answers are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams import memory
from streams.catalogue import load_menu, names
from streams.report import Report
from streams.spill.reader import SpillReader
from streams.stages.exchange import L0Output
from streams.stages.l0 import L0Stage
from streams.stages.monitor import MonitorStage
from streams.stages.source import FileSource
from trigger.errors import KtrigError
from trigger.experiment import Experiment, ExperimentError
from trigger.frames import BLOCK_FRAMES
from trigger.menu import Menu


class ReplayError(KtrigError):
    """A spill that cannot be replayed as asked."""


@dataclass(frozen=True)
class Request:
    """What to replay, and how. speed: times real time, None for as fast as it goes. metrics: HOST:PORT or None."""

    spill: Path
    menu: Menu
    experiment: Experiment
    speed: float | None
    metrics: str | None = None
    block_frames: int = BLOCK_FRAMES


@dataclass(frozen=True)
class Watcher:
    """What the caller wants to hear while a replay runs."""

    progress: Callable[[float], None] = lambda _fraction: None
    metrics_url: Callable[[str], None] = lambda _url: None


def make_request(
    spill: Path,
    menu: str,
    profile: str | None,
    speed: float | None,
    metrics: str | None,
    block_frames: int = BLOCK_FRAMES,
) -> Request:
    """Open the spill, the menu and the profile (by default that of the spill's experiment) to see that they fit.

    Raises KtrigError that names what does not.
    """
    with SpillReader(spill) as reader:
        experiment = reader.header.experiment
        detectors = reader.detectors
    if profile is None and experiment not in names("experiments"):
        raise ReplayError(
            f"{spill}: is of the experiment {experiment!r}, of which ktrig has no profile; name yours with "
            "--experiment"
        )
    loaded, known = load_menu(menu, profile or experiment)
    if known.name != experiment:
        raise ReplayError(f"{spill}: is of the experiment {experiment!r}, the profile is of {known.name!r}")
    for name in detectors:
        try:
            known.find(name)
        except ExperimentError as wrong:
            raise ReplayError(f"{spill}: {wrong}") from None
    return Request(spill, loaded, known, speed, metrics, block_frames)


def replay_inline(request: Request, watcher: Watcher) -> Report:
    """Run all stages in this process."""
    source = FileSource(request.spill, request.speed, request.block_frames)
    l0 = L0Stage(source.start, request.menu, request.experiment)
    monitor = MonitorStage(source.start, request.menu, request.experiment)
    try:
        if request.metrics:
            watcher.metrics_url(monitor.serve(request.metrics))
        last: L0Output | None = None
        for block in source.blocks():
            last = l0.process(block, source.totals)
            watcher.progress(monitor.update(last))
        end = source.end()
        monitor.update(l0.finish(last, end))
        report = monitor.finish(l0.end(end, 0, 0))
    finally:
        monitor.close()
        source.close()
    report["peak_pss_mib"] = memory.peak_rss_mib()
    return report
