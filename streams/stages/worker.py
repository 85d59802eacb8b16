"""The work of an L1 worker: from tasks to answers. It reads the hits itself, from the spill's file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.stages.hits import HitFile
from streams.stages.request import Request
from streams.work import Answer, HitLists, Task
from trigger.l1.events import DETECTORS, Events, build_events
from trigger.l1.gather import gather_hits
from trigger.l1.processor import AlgorithmRunner
from trigger.l1.program import compile_program
from trigger.l1.stamps import AUTOPASS, BYPASS

if TYPE_CHECKING:
    from streams.stages.candidates import CandidateFinder


class L1Worker:
    """Runs the algorithms on the events of tasks.

    The arrays of an answer are the worker's: they last until the next task is run.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._runner = AlgorithmRunner(compile_program(request.menu))
        # A kernel's first call takes its arguments apart for the first time: half a second that no event should wait.
        nothing = build_events(np.zeros(0, np.int64), {}, {}, 0)
        self._runner.run(nothing, np.zeros(0, np.uint16))
        self._hits(nothing, np.zeros(0, np.uint8))
        self._finder: CandidateFinder | None = None
        if request.searches:
            # Its kernels are compiled only if they are wanted.
            from streams.stages.candidates import CandidateFinder

            self._finder = CandidateFinder()
        self._open: tuple[int, HitFile] | None = None

    def run(self, task: Task) -> Answer:
        """Return the answer to a task. Raises SpillError if the file cannot be read."""
        file = self._file(task.spill)
        began = time.thread_time()
        file.read(task.times_lsb, records=self._finder is not None)
        read = time.thread_time()
        events = file.events(task.times_lsb)
        answers = self._runner.run(events, task.masks)
        wanted = (answers.wanted | (task.stamps & (BYPASS | AUTOPASS))).astype(np.uint8)
        hits = self._hits(events, wanted) if self._request.out else None
        judged = time.thread_time()
        found = self._finder.find(file, events, answers, wanted) if self._finder else None
        return Answer(
            task.number, events.status, answers, events.missing, judged - read, read - began, hits, found,
            time.thread_time() - judged,
        )  # fmt: skip

    def _hits(self, events: Events, wanted: NDArray[np.uint8]) -> dict[str, HitLists]:
        """Gather the hits of events that may be accepted."""
        lists = zip(DETECTORS, events.hits, strict=True)
        return {name: HitLists(*gather_hits(hits, events.time_lsb, wanted)) for name, hits in lists}

    def _file(self, spill: int) -> HitFile:
        if self._open is None or self._open[0] != spill:
            self.close()
            self._open = spill, HitFile(self._request.spills[spill])
        return self._open[1]

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            self._open[1].close()
            self._open = None
