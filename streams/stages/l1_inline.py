"""L1 in the process that asks: the sequencer and one worker, with nothing between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.exchange import L0Output, SpillEnd, SpillStart
from streams.stages.request import Request

if TYPE_CHECKING:
    from streams.stages.sequencer import Sequencer


class InlineL1:
    """L1 for the spills of a replay, one after the other; it lets all pass if the request is without L1."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._spill: Sequencer | None = None
        if request.l1:
            # Its kernels are compiled only if it is asked for.
            from streams.stages.sequencer import Sequencer
            from streams.stages.worker import L1Worker

            self._make = Sequencer
            self._worker = L1Worker(request)

    def begin(self, start: SpillStart) -> None:
        """Begin a spill."""
        if self._request.l1:
            self._spill = self._make(start, self._request)

    def process(self, output: L0Output) -> L0Output:
        """Run L1 on the triggers of L0's answer to a block."""
        spill = self._spill
        if spill is None:
            return output
        for task in spill.take(output):
            spill.answer(self._worker.run(task))
        return spill.output(output)

    def end(self, end: SpillEnd) -> SpillEnd:
        """Settle the spill."""
        return end if self._spill is None else self._spill.end(end)

    def close(self) -> None:
        """Leave the present spill."""
        if self._spill is not None:
            self._spill.close()
            self._worker.close()
