"""The source: plays a spill file back, block by block, at the asked speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streams.exchange import SpillEnd, SpillStart, StageTotals
from streams.spill.reader import SpillReader
from streams.stages.pacing import Pacer
from trigger.frames import BLOCK_FRAMES, Block


class FileSource:
    """A spill file as a SpillStart, blocks and a SpillEnd. A block is valid until the second one after it.

    check: called while waiting for a block to be due; what it raises ends the wait.
    """

    def __init__(
        self,
        path: Path,
        speed: float | None,
        block_frames: int = BLOCK_FRAMES,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader = SpillReader(path)
        self._block_frames = block_frames
        self._pacer = Pacer(speed, check)
        header = self._reader.header
        self.start = SpillStart(
            header.experiment, header.run, header.burst, header.sob_unix_ns, header.n_frames,
            tuple(self._reader.detectors),
        )  # fmt: skip
        self.totals = StageTotals.of(self.start)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks when they are due; the clock starts at the first call."""
        self._pacer.start()
        began = time.thread_time()
        for block in self._reader.blocks(self._block_frames):
            self.totals.add(block)
            self.totals.busy_s += time.thread_time() - began
            self._pacer.wait(block.stop_frame)
            yield block
            began = time.thread_time()

    def end(self) -> SpillEnd:
        """Return the totals, when the blocks are used up."""
        return SpillEnd(self._pacer.anchor_s, self.totals)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
