"""The sequencer: cuts the triggers of L0 into tasks, and concludes their answers in the order of events.

What depends on the order of events is done here: reduction and autopass are stamped before a task is given, the
downscalings are applied when its turn comes. So the results are the same for any number of workers.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from streams.accepted import AcceptedFile
from streams.counts import L1Counts
from streams.exchange import L0Output, SpillEnd, SpillStart, Stages, StageTotals
from streams.findings import FindingsBook
from streams.ledger import Account, assert_closed
from streams.stages.request import Request
from streams.work import Answer, Found, Task
from trigger.clock import FRAME_BITS
from trigger.frames import BLOCK_FRAMES
from trigger.l0.registers import CONTROL
from trigger.l0.triggers import CONTROL_WORD, Triggers, join_triggers
from trigger.l1.conclusion import Concluder, Conclusions
from trigger.l1.decision import make_answers
from trigger.l1.fates import ACCEPTED, FATES
from trigger.l1.program import compile_program
from trigger.l1.stamps import Stamper
from trigger.menu import Menu
from trigger.searches.activity import rows_of
from trigger.searches.catalogue import SEARCHES

CELL_FRAMES: Final = BLOCK_FRAMES
"""Frames of a task: those of a block of a spill file, so that its hits are read once."""


@dataclass
class _Open:
    """A task that is not concluded, the triggers it is made of, and its answer once it is there."""

    task: Task
    triggers: Triggers
    answer: Answer | None = None


class Sequencer:
    """One spill between L0 and the monitor.

    start: the spill. outstanding: tasks that are not concluded. Numbers of tasks begin at 0 in each spill.
    """

    def __init__(self, start: SpillStart, request: Request) -> None:
        program = compile_program(request.menu)
        self.start = start
        self.totals = StageTotals()
        self._workers = StageTotals()
        self._missing: dict[str, int] = {}
        self._reading = StageTotals()
        self._candidates = StageTotals()
        self._book = FindingsBook() if request.searches else None
        self._rows = np.array(
            [sum(1 << row for row in rows_of(search, request.menu)) for search in SEARCHES], np.uint32
        )
        self._stamper = Stamper(program)
        self._concluder = Concluder(program)
        self._pending: list[Triggers] = []
        self._next_cell = 0
        self._number = 0
        self._events = 0
        self._open: deque[_Open] = deque()
        self._accepted = AcceptedFile(request, start) if request.out else None

    @property
    def outstanding(self) -> int:
        """Tasks that are not concluded."""
        return len(self._open)

    def take(self, output: L0Output) -> list[Task]:
        """Take L0's answer to a block; return the tasks that are complete with it, all if it is the last answer."""
        began = time.thread_time()
        self._pending.append(output.triggers)
        self._events += len(output.triggers)
        last = output.n_frames == 0
        # Triggers come in order of time, and those of the last frame with the next block.
        cell = (output.first_frame + output.n_frames - 1) // CELL_FRAMES
        tasks: list[Task] = []
        if last or cell > self._next_cell:
            tasks = self._cut(np.iinfo(np.int64).max if last else cell * CELL_FRAMES << FRAME_BITS)
            self._next_cell = cell
        self.totals.busy_s += time.thread_time() - began
        return tasks

    def _cut(self, stop_lsb: int) -> list[Task]:
        """Make a task of each cell that has triggers before `stop_lsb`."""
        triggers = join_triggers(self._pending)
        stop = int(np.searchsorted(triggers.time_lsb, stop_lsb))
        self._pending = [triggers.cut(stop, len(triggers))]
        cells = triggers.time_lsb[:stop] >> FRAME_BITS
        cells //= CELL_FRAMES
        edges = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), stop]
        return [self._task(triggers.cut(*edge)) for edge in pairwise(edges) if edge[0] < edge[1]]

    def _task(self, triggers: Triggers) -> Task:
        masks, stamps = self._stamper.stamp(triggers.time_lsb, triggers.flags, triggers.word)
        task = Task(self._number, self.start.index, triggers.time_lsb, masks, stamps)
        self._number += 1
        self._open.append(_Open(task, triggers))
        return task

    def task(self, number: int) -> Task:
        """Return a task that is not concluded."""
        return self._open[number - self._open[0].task.number].task

    def answer(self, answer: Answer) -> None:
        """Take the answer to a task, and conclude all whose turn has come.

        The arrays of the answer to the first task are not needed behind this.
        """
        began = time.thread_time()
        self._open[answer.number - self._open[0].task.number].answer = answer
        while self._open and self._open[0].answer is not None:
            self._conclude(self._open.popleft())
        self.totals.busy_s += time.thread_time() - began

    def _conclude(self, done: _Open) -> None:
        answer, task, triggers = done.answer, done.task, done.triggers
        assert answer is not None
        found = self._concluder.conclude(
            triggers.flags, task.masks, task.stamps, answer.status, answer.answers
        )
        self.totals.blocks += 1
        self._workers.blocks += 1
        self._workers.busy_s += answer.busy_s
        self._reading.blocks += 1
        self._reading.busy_s += answer.reading_s
        for name, n in answer.missing.items():
            self._missing[name] = self._missing.get(name, 0) + n
        if self._book is not None and answer.found is not None:
            self._candidates.blocks += 1
            self._candidates.busy_s += answer.monitors_s
            self._note(self._book, triggers, answer.found, found)
        if self._accepted is not None:
            self._accepted.write(triggers, answer, found, np.flatnonzero(found.fates == ACCEPTED))

    def _note(self, book: FindingsBook, triggers: Triggers, seen: Found, concluded: Conclusions) -> None:
        """Keep what searches take of accepted events of their lines, and the GTK hits of all events."""
        rows = concluded.passed | (triggers.word & CONTROL_WORD != 0).astype(np.uint32) << CONTROL
        rows[concluded.fates != ACCEPTED] = 0
        kept = rows[seen.event] & self._rows[seen.search] != 0
        book.add(seen.search[kept], seen.value[kept])
        book.add_gtk(triggers.time_lsb, seen.gtk_hits)

    def counts(self) -> L1Counts:
        """Return where the sums stand."""
        tally = self._concluder.tally
        return L1Counts(
            events=self._events,
            fates=tally.fates.copy(),
            lines=tally.lines.copy(),
            failed=tally.failed.copy(),
            notes=tally.notes.copy(),
            missing=dict(self._missing),
        )

    def output(self, output: L0Output) -> L0Output:
        """Add to L0's answer where L1 stands."""
        findings = None if self._book is None else self._book.take()
        stages = {**output.stages, **self._stages()}
        return replace(output, stages=stages, l1=self.counts(), findings=findings)

    def _stages(self) -> Stages:
        """Return what the sequencer did, and the workers: reading hits, judging events, making candidates."""
        stages = {"l1": self.totals, "reading": self._reading, "workers": self._workers}
        if self._book is not None:
            stages["candidates"] = self._candidates
        return {name: totals.copy() for name, totals in stages.items()}

    def end(self, end: SpillEnd) -> SpillEnd:
        """Settle the spill, of which all tasks are concluded. Raises LedgerError if its sum does not close."""
        fates = dict(zip(FATES, self._concluder.tally.fates.tolist(), strict=True))
        lost = {name: fates[name] for name in ("reduced", "not_read_out")}
        account = Account(
            self._events,
            fates["accepted"],
            rejected=fates["rejected"],
            downscaled=fates["downscaled"],
            lost=lost,
        )
        assert_closed({"l1": account})
        if self._accepted is not None:
            self._accepted.commit(end.interrupted)
        return replace(end, stages={**end.stages, **self._stages()})

    def close(self) -> None:
        """Leave the spill; what was written of a spill that did not end is removed."""
        if self._accepted is not None:
            self._accepted.close()


def warm_up(menu: Menu) -> None:
    """Call the kernels once without events: the first call takes long."""
    program = compile_program(menu)
    flags, words = np.zeros(0, np.uint16), np.zeros(0, np.uint8)
    masks, stamps = Stamper(program).stamp(np.zeros(0, np.int64), flags, words)
    Concluder(program).conclude(flags, masks, stamps, words, make_answers(0))
