"""The readout: which triggers the hit menu has, and the windows around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.catalogue import load_menu
from streams.simulate.apparatus import load_windows
from streams.simulate.detectors.hit import L0_NAMES
from streams.simulate.settings import SimulationError
from streams.simulate.windows import Intervals, Windows, intervals, parse_windows
from trigger.experiment import Experiment
from trigger.frames import Block
from trigger.l0.processor import L0Processor
from trigger.l0.registers import compile_registers
from trigger.l0.triggers import Triggers, join_triggers
from trigger.l1.events import lsb_of
from trigger.menu import Menu


@dataclass(frozen=True)
class Readout:
    """A hit menu and its windows (detector -> begin and end, ns relative to the trigger time)."""

    menu: Menu
    windows: Windows

    @property
    def span_lsb(self) -> tuple[int, int]:
        """The earliest begin and the latest end of all windows."""
        edges = [lsb_of(window) for window in self.windows.values()]
        return min(begin for begin, _ in edges), max(end for _, end in edges)

    def intervals(self, name: str, times_lsb: NDArray[np.int64]) -> Intervals:
        """Join the windows of a detector around trigger times (int64[n], sorted)."""
        return intervals(times_lsb, *lsb_of(self.windows[name]))


def load_readout(experiment: Experiment, menu: str, windows: Iterable[str] = ()) -> Readout:
    """Return the readout with a hit menu (name or file), and `NAME=BEGIN:END` in place of default windows.

    Raises SimulationError for a wrong window, or a menu of another experiment.
    """
    hit_menu, profile = load_menu(menu)
    if profile.name != experiment.name:
        raise SimulationError(
            f"hit menu {menu!r} is for {profile.name}, not for {experiment.name}; give one with --hit-menu"
        )
    return Readout(hit_menu, parse_windows(windows, load_windows(experiment.name)))


class TriggerFeed:
    """The L0 processor with the hit menu, fed with the blocks of a spill; keeps the last triggers."""

    def __init__(self, menu: Menu, experiment: Experiment) -> None:
        registers = compile_registers(menu, experiment, L0_NAMES)
        self._processor = L0Processor(registers, experiment.inputs)
        self._kept = _none()
        self.settled = 0
        """Frames whose triggers are all known."""

    def take(self, block: Block) -> None:
        """Process a block."""
        self._kept = join_triggers([self._kept, self._processor.process(block)])
        self.settled = block.stop_frame - 1

    def finish(self, n_frames: int) -> None:
        """Settle the last frame of the spill."""
        self._kept = join_triggers([self._kept, self._processor.finish()])
        self.settled = n_frames

    def between(self, begin_lsb: int, end_lsb: int) -> Triggers:
        """Return the triggers of a half-open range of time, and forget those before it."""
        first, last = np.searchsorted(self._kept.time_lsb, (begin_lsb, end_lsb))
        kept = self._kept
        self._kept = kept.cut(int(first), len(kept))
        return kept.cut(int(first), int(last))


def _none() -> Triggers:
    return Triggers(
        np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.uint8), np.zeros((0, 3, 7), np.uint32)
    )
