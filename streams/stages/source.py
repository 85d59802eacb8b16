"""The source: plays spill files back, block by block, at the asked speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from streams.exchange import SpillEnd, SpillStart, StageTotals
from streams.spill.reader import SpillReader
from streams.stages.pacing import Pacer
from streams.stages.request import Request
from streams.timing import Lateness
from trigger.frames import Block


class FileSource:
    """The spill files of a request as a SpillStart, blocks and a SpillEnd each.

    attempts: how often the present spill was begun. first: number of the spill to begin with. check: called while
    waiting for a block to be due; what it raises ends the wait. reuse: whether a block's memory is used again for the
    second one after it, or is its own.
    """

    def __init__(
        self,
        request: Request,
        first: int = 0,
        check: Callable[[], None] = lambda: None,
        reuse: bool = False,
    ) -> None:
        self._spills = request.spills
        self._request = request
        self._reuse = reuse
        self._pacer = Pacer(request.speed, request.catch_up, check)
        self._frames_before = 0
        self._begun = False
        self.attempts = 0
        self._open(first)

    def _open(self, index: int) -> None:
        path = self._spills[index]
        self._reader = SpillReader(path, buffers=2 if self._reuse else None)
        self.start = spill_start(self._reader, path, index, index == len(self._spills) - 1)
        self.attempts = 0
        self.rewind()

    def rewind(self) -> None:
        """Go back to the start of the spill."""
        self.totals = StageTotals.of(self.start)
        self.late = Lateness()
        self._began_s: float | None = None
        self._frames = 0
        if self.attempts:
            self._pacer.start(self._frames_before)
        self.attempts += 1

    def next_spill(self) -> None:
        """Go on to the next spill, which begins when this one is over."""
        self._frames_before += self.start.n_frames
        self._reader.close()
        self._open(self.start.index + 1)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks as soon as they are read; the clock starts when the first one is.

        Each is counted as sent: `release` waits until it is due, `left` notes how late it left, and one that could
        not be sent after all is to be taken back from `totals`.
        """
        began = time.thread_time()
        blocks = self._reader.blocks(self._request.block_frames)
        # The first read finds a cold file and a cold program; that is not to be caught up later.
        first = next(blocks, None)
        if not self._begun:
            self._pacer.start()
            self._begun = True
        self._began_s = self._pacer.now_s() if self._pacer.speed is None else self._due_s(0)
        for block in chain([first] if first is not None else [], blocks):
            self.totals.busy_s += time.thread_time() - began
            self.totals.add(block)
            yield block
            began = time.thread_time()

    def release(self, block: Block) -> None:
        """Wait until the block is due."""
        self._pacer.wait(self._frames_before + block.stop_frame)

    def left(self, block: Block) -> None:
        """Note that the block has been sent."""
        self._frames = block.stop_frame
        if self._pacer.speed is not None:
            self.late.add(self._pacer.late_s(self._frames_before + block.stop_frame))

    def _due_s(self, frames: int) -> float:
        return self._pacer.due_s(self._frames_before + frames)

    def end(self, interrupted: bool = False) -> SpillEnd:
        """Return the totals, when the blocks are used up or no more are wanted."""
        began_s = self._pacer.now_s() if self._began_s is None else self._began_s
        return SpillEnd(
            anchor_s=began_s,
            frames=self._frames,
            played_s=self._pacer.now_s() - began_s,
            asked_speed=self._pacer.speed,
            late=self.late,
            stages={"source": self.totals},
            attempts=self.attempts,
            interrupted=interrupted,
        )

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def spill_start(reader: SpillReader, path: Path, index: int, last: bool) -> SpillStart:
    """Return what an open file says of its spill."""
    header = reader.header
    return SpillStart(
        header.experiment, header.run, header.burst, header.sob_unix_ns, header.n_frames,
        reader.primitives_per_detector, path.name, index, last,
        parts=(*(f"hits/{name}" for name in reader.optional.hits), *reader.optional.records),
        simulated=header.simulated,
    )  # fmt: skip
