"""The L0 stage: the processor, and the counts that travel with its triggers."""

from __future__ import annotations

import time
from dataclasses import replace

from streams.exchange import L0Counts, L0Output, SpillEnd, SpillStart, StageTotals
from trigger.experiment import Experiment
from trigger.frames import Block
from trigger.l0.processor import L0Processor
from trigger.l0.registers import compile_registers
from trigger.l0.triggers import Triggers
from trigger.menu import Menu


class L0Stage:
    """One spill through the L0 processor, block by block."""

    def __init__(self, start: SpillStart, menu: Menu, experiment: Experiment) -> None:
        registers = compile_registers(menu, experiment, start.detectors)
        self._processor = L0Processor(registers, experiment.inputs)
        self.totals = StageTotals.of(start)

    def process(self, block: Block, source: StageTotals) -> L0Output:
        """Take a block; return the triggers that it settles."""
        began = time.thread_time()
        triggers = self._processor.process(block)
        self.totals.add(block)
        span = block.span()
        self.totals.busy_s += time.thread_time() - began
        return self._output(block.first_frame, block.n_frames, triggers, source, span)

    def finish(self, last: L0Output | None, end: SpillEnd) -> L0Output:
        """Return the triggers of the last frame as the answer to an empty block behind the spill."""
        began = time.thread_time()
        triggers = self._processor.finish()
        self.totals.busy_s += time.thread_time() - began
        stop = last.first_frame + last.n_frames if last else 0
        return self._output(stop, 0, triggers, end.source, None)

    def end(self, end: SpillEnd, missing_blocks: int, malformed: int) -> SpillEnd:
        """Add this stage's totals to the end of the spill."""
        return replace(
            end,
            l0=self.totals,
            missing_blocks=end.missing_blocks + missing_blocks,
            malformed=end.malformed + malformed,
        )

    def _output(
        self, first: int, frames: int, triggers: Triggers, source: StageTotals, span: tuple[int, int] | None
    ) -> L0Output:
        p = self._processor
        counts = L0Counts(p.before_downscaling, p.after_downscaling, p.lost_same_tick, p.account)
        return L0Output(first, frames, triggers, counts, source.copy(), self.totals.copy(), span)
