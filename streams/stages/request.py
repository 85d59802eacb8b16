"""What to replay, and what the caller wants to hear of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES
from trigger.menu import Menu


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
    """What the caller wants to hear while a replay runs: the fraction done, the address of the metrics."""

    progress: Callable[[float], None] = lambda _fraction: None
    metrics_url: Callable[[str], None] = lambda _url: None
