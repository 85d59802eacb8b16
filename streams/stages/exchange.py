"""What stages tell each other about a spill, in memory and as messages.

A spill is a SpillStart, blocks in order, and a SpillEnd with the totals of every stage it went through.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.wire.message import MalformedMessage, Message
from trigger.frames import Block, FrameStream
from trigger.l0.processor import Triggers

START: Final = "sob"
BLOCK: Final = "primitives"
TRIGGERS: Final = "triggers"
END: Final = "eob"


@dataclass(frozen=True)
class SpillStart:
    """Which spill comes, and the names of its detectors."""

    experiment: str
    run: int
    burst: int
    sob_unix_ns: int
    n_frames: int
    detectors: tuple[str, ...]

    def message(self, menu: str) -> Message:
        """Return this as the first message of a spill."""
        return Message(START, self.run, self.burst, n_frames=self.n_frames, menu=menu, body=asdict(self))

    @classmethod
    def of(cls, message: Message) -> SpillStart:
        """Read it back. Raises MalformedMessage."""
        body = dict(message.body)
        try:
            return cls(**{**body, "detectors": tuple(body["detectors"])})
        except (KeyError, TypeError) as wrong:
            raise MalformedMessage(f"start of a spill: {wrong}") from None


@dataclass
class StageTotals:
    """What one stage did with a spill. primitives: by detector. busy_s: time spent working, not waiting."""

    blocks: int = 0
    primitives: dict[str, int] = field(default_factory=dict)
    busy_s: float = 0.0

    def add(self, block: Block) -> None:
        """Count a block."""
        self.blocks += 1
        for name, stream in block.streams.items():
            self.primitives[name] = self.primitives.get(name, 0) + len(stream.words)


@dataclass(frozen=True)
class L0Counts:
    """Running sums of the L0 processor since SOB; per row of the menu (16 masks, then control): int64[17]."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    same_tick: NDArray[np.int64]
    account: dict[str, int]


@dataclass(frozen=True)
class L0Output:
    """What L0 makes of one block: the triggers it settles, and where its counts stand.

    first_frame, n_frames: the block. span: first and last frame of it that have primitives, or None.
    """

    first_frame: int
    n_frames: int
    triggers: Triggers
    counts: L0Counts
    source: StageTotals
    l0: StageTotals
    span: tuple[int, int] | None


@dataclass(frozen=True)
class SpillEnd:
    """The end of a spill. anchor_s: monotonic time at which the source began; speed asked for (None: max)."""

    anchor_s: float
    source: StageTotals
    l0: StageTotals | None = None
    missing_blocks: int = 0
    malformed: int = 0


def block_message(block: Block, start: SpillStart, totals: StageTotals, menu: str) -> Message:
    """Return a block of primitives as a message; `totals` are the source's so far."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, stream in block.streams.items():
        arrays[f"{name}.offsets"] = stream.offsets
        arrays[f"{name}.words"] = stream.words
    return Message(
        BLOCK, start.run, start.burst, first_frame=block.first_frame, n_frames=block.n_frames, menu=menu,
        body={"detectors": list(block.streams), "source": asdict(totals)}, arrays=arrays,
    )  # fmt: skip


def read_block(message: Message) -> tuple[Block, StageTotals]:
    """Read a block back; the arrays stay where they are. Raises MalformedMessage."""
    try:
        streams = {
            name: FrameStream(
                message.first_frame, message.arrays[f"{name}.offsets"], message.arrays[f"{name}.words"]
            )
            for name in message.body["detectors"]
        }
        totals = StageTotals(**message.body["source"])
    except (KeyError, TypeError) as wrong:
        raise MalformedMessage(f"block of primitives: {wrong}") from None
    for name, stream in streams.items():
        ends = (stream.offsets[0], stream.offsets[-1]) if len(stream.offsets) else (0, 0)
        if stream.n_frames != message.n_frames or ends != (0, len(stream.words)):
            raise MalformedMessage(f"block of primitives: the offsets of {name} do not fit its words")
        if stream.offsets.dtype != np.int64 or stream.words.dtype != np.uint32:
            raise MalformedMessage(f"block of primitives: {name} has the wrong types")
        if np.any(np.diff(stream.offsets) < 0):
            raise MalformedMessage(f"block of primitives: the offsets of {name} fall")
    return Block(message.first_frame, message.n_frames, streams), totals


def output_message(output: L0Output, start: SpillStart, menu: str) -> Message:
    """Return L0's answer to a block as a message."""
    counts, triggers = output.counts, output.triggers
    arrays: dict[str, NDArray[Any]] = {
        "time": triggers.time_lsb,
        "flags": triggers.flags,
        "word": triggers.word,
        "before": counts.before,
        "after": counts.after,
        "same_tick": counts.same_tick,
    }
    body = {
        "account": counts.account,
        "source": asdict(output.source),
        "l0": asdict(output.l0),
        "span": output.span,
    }
    return Message(
        TRIGGERS, start.run, start.burst, first_frame=output.first_frame, n_frames=output.n_frames, menu=menu,
        body=body, arrays=arrays,
    )  # fmt: skip


def read_output(message: Message) -> L0Output:
    """Read L0's answer back. Raises MalformedMessage."""
    a, body = message.arrays, message.body
    try:
        triggers = Triggers(a["time"], a["flags"], a["word"], np.zeros((0, 3, 7), np.uint32))
        counts = L0Counts(a["before"], a["after"], a["same_tick"], body["account"])
        source, l0 = StageTotals(**body["source"]), StageTotals(**body["l0"])
        span = None if body["span"] is None else (int(body["span"][0]), int(body["span"][1]))
    except (KeyError, TypeError) as wrong:
        raise MalformedMessage(f"triggers: {wrong}") from None
    return L0Output(message.first_frame, message.n_frames, triggers, counts, source, l0, span)


def end_message(end: SpillEnd, start: SpillStart, menu: str) -> Message:
    """Return the end of a spill as its last message."""
    return Message(END, start.run, start.burst, menu=menu, body=asdict(end))


def read_end(message: Message) -> SpillEnd:
    """Read the end of a spill back. Raises MalformedMessage."""
    body = dict(message.body)
    try:
        source = StageTotals(**body.pop("source"))
        l0 = body.pop("l0")
        return SpillEnd(source=source, l0=None if l0 is None else StageTotals(**l0), **body)
    except (KeyError, TypeError) as wrong:
        raise MalformedMessage(f"end of a spill: {wrong}") from None
