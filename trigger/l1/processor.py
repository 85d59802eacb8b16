"""L1 in one piece: events in, conclusions out. Stages take it apart; tests and short studies use it as it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trigger.l1.conclusion import Concluder, Conclusions, Tally
from trigger.l1.decision import Answers, make_answers, make_scratch, run_algorithms
from trigger.l1.events import Events
from trigger.l1.program import Program, compile_program
from trigger.l1.stamps import Stamper
from trigger.menu import Menu


class AlgorithmRunner:
    """Runs the algorithms; its memory is used again, so the answers last until the next block."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._scratch = make_scratch()
        self._answers = make_answers(0)

    def run(self, events: Events, masks: NDArray[np.uint16]) -> Answers:
        """Run the masks (uint16[n]) of each event; the arrays of the answers have the events' length."""
        n = len(events)
        if len(self._answers.done) < n:
            self._answers = make_answers(2 * n)
        a = self._answers
        part = Answers(
            a.done[:n],
            a.value[:n],
            a.verdict[:n],
            a.n_tracks[:n],
            a.first_track[: n + 1],
            a.tracks,
            a.wanted[:n],
        )
        run_algorithms(self._program, events.hits, events.time_lsb, events.status, masks, self._scratch, part)
        return part


class L1Processor:
    """L1 for the events of a spill, block by block, with the counters of reduction, autopass and downscaling."""

    def __init__(self, menu: Menu) -> None:
        self.program = compile_program(menu)
        self._stamper = Stamper(self.program)
        self._runner = AlgorithmRunner(self.program)
        self._concluder = Concluder(self.program)

    @property
    def tally(self) -> Tally:
        """Sums over all events so far."""
        return self._concluder.tally

    def process(
        self, events: Events, flags: NDArray[np.uint16], words: NDArray[np.uint8]
    ) -> tuple[Conclusions, Answers]:
        """Judge events with their L0 flags (uint16[n]) and words (uint8[n]); answers last until the next block."""
        masks, stamps = self._stamper.stamp(events.time_lsb, flags, words)
        answers = self._runner.run(events, masks)
        return self._concluder.conclude(flags, masks, stamps, events.status, answers), answers
