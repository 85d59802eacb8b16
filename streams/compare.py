"""Two menus on one spill: it is played once, through an L0 processor for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.replay import load_fitting
from streams.spill.layout import SpillHeader
from streams.spill.reader import SpillReader
from trigger.clock import LSB_PER_FRAME
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES
from trigger.l0.difference import Differences
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, L0Registers, compile_registers
from trigger.menu import Menu


@dataclass(frozen=True)
class Comparison:
    """What to compare: menus A and B, as they were named and as they are."""

    spill: Path
    named: tuple[str, str]
    menus: tuple[Menu, Menu]
    experiment: Experiment
    block_frames: int = BLOCK_FRAMES

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Rows of A and B of the lines that both have: the same name, and both masks or both the control trigger."""
        rows = {(line.name, row == CONTROL): row for row, line in self.menus[1].rows}
        named = [(row, rows.get((line.name, row == CONTROL))) for row, line in self.menus[0].rows]
        return [(a, b) for a, b in named if b is not None]


@dataclass(frozen=True)
class Compared:
    """A spill played through both processors.

    before, after: their own counts of firings, int64[17] for A and B. triggers: for A and B. same: both have the same
    settings. span: first and last frame with primitives.
    """

    header: SpillHeader
    detectors: tuple[str, ...]
    differences: Differences
    before: tuple[NDArray[np.int64], NDArray[np.int64]]
    after: tuple[NDArray[np.int64], NDArray[np.int64]]
    triggers: tuple[int, int]
    same: bool
    span: tuple[int, int] | None


def make_comparison(
    spill: Path, menus: tuple[str, str], profile: str | None, block_frames: int = BLOCK_FRAMES
) -> Comparison:
    """Load the menus and see that they fit the spill; raises KtrigError as `replay.make_request` does."""
    (a, b), experiment = load_fitting([spill], menus, profile)
    return Comparison(spill, menus, (a, b), experiment, block_frames)


def play(asked: Comparison, tell: Callable[[float], None] = lambda _fraction: None) -> Compared:
    """Play the spill through both processors; tell: called with the fraction that is done."""
    with SpillReader(asked.spill) as reader:
        a, b = (compile_registers(menu, asked.experiment, reader.detectors) for menu in asked.menus)
        processors = [L0Processor(r, asked.experiment.inputs, keep_entries=True) for r in (a, b)]
        differences = Differences((a, b), asked.pairs)
        span: tuple[int, int] | None = None
        for block in reader.blocks(asked.block_frames):
            span = _joined(span, block.span())
            for processor in processors:
                processor.process(block)
            # A frame is settled when the next one is known.
            settled = (block.stop_frame - 1) * LSB_PER_FRAME
            differences.add(processors[0].entries, processors[1].entries, settled)
            tell(block.stop_frame / reader.header.n_frames)
        for processor in processors:
            processor.finish()
        differences.add(processors[0].entries, processors[1].entries, reader.header.n_frames * LSB_PER_FRAME)
        differences.finish()
        first, second = processors
        return Compared(
            reader.header,
            tuple(reader.detectors),
            differences,
            (first.before_downscaling, second.before_downscaling),
            (first.after_downscaling, second.after_downscaling),
            (first.account["triggers"], second.account["triggers"]),
            _same(a, b),
            span,
        )


def _joined(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def _same(a: L0Registers, b: L0Registers) -> bool:
    """Whether two processors have the same settings, so that they cannot differ."""
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(L0Registers))
