"""What to replay, and what the caller wants to hear of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streams.stages.pacing import CATCH_UP
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES
from trigger.menu import Menu

Downscaling = Literal["continue", "reset", "hash"]
Transport = Literal["ipc", "tcp"]


@dataclass(frozen=True)
class Request:
    """What to replay, and how.

    spills: the files, one after the other. speed: times real time, None for as fast as it goes. catch_up: see
    `Pacer`. metrics: HOST:PORT or None. downscaling, counters: see `stages.counters`. explain: look for what each
    line loses and gains; line: of which the first cases are wanted, or None. l1: run L1 behind L0, with `workers`
    processes. out: file for the accepted events, or None. searches: fill the spectra of the searches from what L1
    accepts. snapshot: file of the monitors, to go on from and to write at the end of each spill, or None;
    snapshot_spills: how many spills it had when the replay began. publish: endpoint at which snapshots are sent out,
    or None.
    """

    spills: tuple[Path, ...]
    menu: Menu
    experiment: Experiment
    speed: float | None = None
    catch_up: float | None = CATCH_UP
    metrics: str | None = None
    block_frames: int = BLOCK_FRAMES
    transport: Transport = "ipc"
    downscaling: Downscaling = "continue"
    counters: dict[str, int] = field(default_factory=dict)
    explain: bool = False
    line: str | None = None
    l1: bool = False
    workers: int = 1
    out: Path | None = None
    searches: bool = True
    snapshot: Path | None = None
    snapshot_spills: int = 0
    publish: str | None = None


@dataclass(frozen=True)
class Watcher:
    """What the caller wants to hear while a replay runs, and whether it wants it to stop.

    progress: the fraction done. metrics_url: the address of the metrics. note: a line about what happened meanwhile.
    stop: asked often; once it says yes, the replay ends in good order.
    """

    progress: Callable[[float], None] = lambda _fraction: None
    metrics_url: Callable[[str], None] = lambda _url: None
    note: Callable[[str], None] = lambda _line: None
    stop: Callable[[], bool] = lambda: False
