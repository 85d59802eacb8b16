"""The L0 stage: the processor, and the counts that travel with its triggers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from streams.counts import L0Counts, LineLosses
from streams.exchange import FrameCounts, L0Output, SpillEnd, SpillStart, StageTotals
from streams.ledger import Account, LedgerError, assert_closed, entry_detectors
from streams.stages.counters import by_line, start_counters
from streams.stages.request import Request
from streams.timing import Lateness
from trigger.frames import Block
from trigger.l0.dispatch import DISPATCHED, Dispatcher
from trigger.l0.losses import LossFinder
from trigger.l0.processor import L0Processor
from trigger.l0.registers import compile_registers
from trigger.l0.triggers import Triggers
from trigger.menu import DispatchSettings

MOST_COUNTED: Final = 0xFFFF
"""Primitives of a detector in a frame that are counted: ten thousand MHz."""


class L0Stage:
    """One spill through the L0 processor, block by block.

    before: the downscaling counters at the end of the spill before, by line. start: with where they begin.
    """

    def __init__(self, start: SpillStart, request: Request, before: Mapping[str, int]) -> None:
        menu, experiment = request.menu, request.experiment
        registers = compile_registers(menu, experiment, start.detectors)
        counters = start_counters(request.downscaling, menu, start.run, start.burst, before)
        self._menu = menu
        self.start = replace(start, counters=by_line(menu, counters))
        self._processor = L0Processor(
            registers, experiment.inputs, keep_entries=request.explain, downscaling_counters=counters
        )
        self._dispatcher = Dispatcher(menu.dispatch or DispatchSettings())
        self._losses: LossFinder | None = None
        if request.explain:
            row = next((row for row, line in menu.rows if line.name == request.line), None)
            self._losses = LossFinder(registers, experiment.inputs, row)
        self._stop_frame = 0
        self.totals = StageTotals.of(start)

    @property
    def counters(self) -> dict[str, int]:
        """Where the downscaling counters stand, by line."""
        return by_line(self._menu, self._processor.downscaling_counters)

    def process(self, block: Block, source: StageTotals, late: Lateness) -> L0Output:
        """Take a block; return the triggers that it settles."""
        began = time.thread_time()
        triggers = self._dispatched(self._processor.process(block))
        if self._losses:
            self._losses.process(block, self._processor.entries)
        self.totals.add(block)
        span = block.span()
        self._stop_frame = block.stop_frame
        output = self._output(block.first_frame, block.n_frames, triggers, source, span, late)
        output = replace(output, frame_counts=self._frame_counts(block))
        self.totals.busy_s += time.thread_time() - began
        return output

    def _frame_counts(self, block: Block) -> FrameCounts:
        """Count the primitives of each frame, of the detectors in their order."""
        counts = np.zeros((len(self.start.detectors), block.n_frames), np.uint16)
        for row, name in zip(counts, self.start.detectors, strict=True):
            if name in block.streams:
                row[:] = np.minimum(np.diff(block.streams[name].offsets), MOST_COUNTED)
        return counts

    def finish(self, end: SpillEnd) -> L0Output:
        """Return the triggers of the last frame as the answer to an empty block behind the spill.

        Raises LedgerError if the sums of the stage do not close.
        """
        began = time.thread_time()
        triggers = self._dispatched(self._processor.finish())
        if self._losses:
            self._losses.finish(self._processor.entries)
        self.totals.busy_s += time.thread_time() - began
        output = self._output(self._stop_frame, 0, triggers, end.stages["source"], None, end.late)
        assert_closed(self._accounts(output.counts))
        if self._losses and not self._losses.closes(self._processor):
            raise LedgerError(
                "what the lines lose and gain is not the difference; report this as a fault of ktrig"
            )
        return output

    def _dispatched(self, triggers: Triggers) -> Triggers:
        """Leave out what the board loses behind the acceptance."""
        if self._menu.dispatch is None:
            return triggers
        kept = self._dispatcher.process(triggers) == DISPATCHED
        return Triggers(
            triggers.time_lsb[kept], triggers.flags[kept], triggers.word[kept], triggers.slots[:0]
        )

    @property
    def _given(self) -> int:
        """Words that may become entries."""
        return sum(self.totals.primitives.get(name, 0) for name in entry_detectors(self._menu))

    def _accounts(self, counts: L0Counts) -> dict[str, Account]:
        """The sums that this stage can judge by itself: what it was given, against what it did with it."""
        account = counts.account
        gone = {name: n for name, n in account.items() if name not in ("words", "triggers")}
        dispatch = {name: n for name, n in counts.dispatch.items() if name != "dispatched"}
        return {
            "l0": Account(self._given, account["triggers"], lost=gone),
            "dispatch": Account(account["triggers"], counts.dispatch["dispatched"], lost=dispatch),
        }

    def end(self, end: SpillEnd) -> SpillEnd:
        """Add this stage's totals, and where the counters ended."""
        cases = self._losses.cases if self._losses else ()
        return replace(
            end,
            stages={**end.stages, "l0": self.totals},
            counters=self.counters,
            cases=tuple((case.kind, case.cause or "", case.time_lsb) for case in cases),
        )

    def _output(
        self,
        first: int,
        frames: int,
        triggers: Triggers,
        source: StageTotals,
        span: tuple[int, int] | None,
        late: Lateness,
    ) -> L0Output:
        stages = {"source": source.copy(), "l0": self.totals.copy()}
        return L0Output(first, frames, triggers, self._counts(), stages, span, late.copy())

    def _counts(self) -> L0Counts:
        p, dispatcher, losses = self._processor, self._dispatcher, self._losses
        account = p.account
        dispatch = dispatcher.account
        if self._menu.dispatch is None:
            dispatch["dispatched"] = account["triggers"]
        return L0Counts(
            before=p.before_downscaling,
            after=p.after_downscaling,
            same_tick=p.lost_same_tick,
            choke=dispatcher.lost_choke,
            dead_time=dispatcher.lost_dead_time,
            account=account,
            dispatch=dispatch,
            pending=self._given - account["words"],
            losses=LineLosses(losses.ideal, losses.same_slot, losses.lost, losses.gained) if losses else None,
        )
