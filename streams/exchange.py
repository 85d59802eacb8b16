"""What stages tell each other about a spill, in memory and as messages.

A spill is a SpillStart, blocks in order, and a SpillEnd with the totals of every stage it went through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from streams.wire.message import MAX_INTEGER, MalformedMessage, Message
from trigger.clock import FRAME_BITS
from trigger.frames import Block, FrameStream
from trigger.l0.registers import N_DETECTORS, N_ROWS
from trigger.l0.triggers import ACCOUNTS, Triggers

START: Final = "sob"
BLOCK: Final = "primitives"
TRIGGERS: Final = "triggers"
END: Final = "eob"

MAX_FRAMES: Final = (MAX_INTEGER + 1) >> FRAME_BITS
"""Times are int64 LSB, so there are no more frames than this."""

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGER)]
Frames = Annotated[int, Field(strict=True, ge=0, le=MAX_FRAMES)]


@dataclass(frozen=True)
class SpillStart:
    """Which spill comes, and the names of its detectors."""

    experiment: str
    run: Count
    burst: Count
    sob_unix_ns: Count
    n_frames: Frames
    detectors: tuple[str, ...]

    def message(self, menu: str) -> Message:
        """Return this as the first message of a spill."""
        return Message(START, self.run, self.burst, n_frames=self.n_frames, menu=menu, body=asdict(self))

    @classmethod
    def of(cls, message: Message) -> SpillStart:
        """Read it back. Raises MalformedMessage."""
        return _read(_START, message.body, "start of a spill")


@dataclass
class StageTotals:
    """What one stage did with a spill.

    primitives: by detector. busy_s: CPU time of reading, computing or counting; moving messages is not in it.
    """

    blocks: Count = 0
    primitives: dict[str, Count] = field(default_factory=dict)
    busy_s: FiniteFloat = 0.0

    @classmethod
    def of(cls, start: SpillStart) -> StageTotals:
        """Return the totals at the start of a spill."""
        return cls(primitives=dict.fromkeys(start.detectors, 0))

    def copy(self) -> StageTotals:
        """Return where the stage stands now; its own totals go on."""
        return StageTotals(self.blocks, self.primitives.copy(), self.busy_s)

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
    """The end of a spill. anchor_s: monotonic time of this host at which the source began."""

    anchor_s: FiniteFloat
    source: StageTotals
    l0: StageTotals | None = None
    missing_blocks: Count = 0
    malformed: Count = 0


@dataclass(frozen=True)
class _BlockBody:
    """What a block's message says beside its arrays."""

    detectors: tuple[str, ...]
    source: StageTotals


@dataclass(frozen=True)
class _OutputBody:
    """What the message of L0's answer says beside its arrays."""

    account: dict[str, Count]
    source: StageTotals
    l0: StageTotals
    span: tuple[Frames, Frames] | None


_START: Final = TypeAdapter(SpillStart)
_BLOCK: Final = TypeAdapter(_BlockBody)
_OUTPUT: Final = TypeAdapter(_OutputBody)
_END: Final = TypeAdapter(SpillEnd)

T = TypeVar("T")


def _read(kind: TypeAdapter[T], body: Mapping[str, Any], what: str) -> T:
    """Read the body of a message. Raises MalformedMessage that names the field."""
    try:
        return kind.validate_python(body)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        # A key is somebody else's text: shown escaped if it would break the line.
        place = ".".join(str(key) if str(key).isprintable() else repr(key) for key in first["loc"])
        raise MalformedMessage(f"{what}: {place}: {first['msg']}") from None


def _array(message: Message, name: str, dtype: Any, length: int | None = None) -> NDArray[Any]:
    """Return an array of a message. Raises MalformedMessage if it is missing, or not of the type and length."""
    array = message.arrays.get(name)
    if array is None or array.dtype != dtype or (length is not None and len(array) != length):
        wanted = f"{np.dtype(dtype)}[{'' if length is None else length}]"
        found = "missing" if array is None else f"{array.dtype}[{len(array)}]"
        raise MalformedMessage(f"{message.kind}: array {name} must be {wanted} (is {found})")
    return array


def block_message(block: Block, start: SpillStart, totals: StageTotals, menu: str) -> Message:
    """Return a block of primitives as a message; `totals` are the source's so far."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, stream in block.streams.items():
        arrays[f"{name}.offsets"] = stream.offsets
        arrays[f"{name}.words"] = stream.words
    return Message(
        BLOCK, start.run, start.burst, first_frame=block.first_frame, n_frames=block.n_frames, menu=menu,
        body={"detectors": list(block.streams), "source": vars(totals.copy())}, arrays=arrays,
    )  # fmt: skip


def read_block(message: Message) -> tuple[Block, StageTotals]:
    """Read a block back; the arrays stay where they are. Raises MalformedMessage."""
    body = _read(_BLOCK, message.body, "block of primitives")
    if not body.detectors or message.first_frame + message.n_frames > MAX_FRAMES:
        raise MalformedMessage("block of primitives: it has no detectors, or lies beyond any spill")
    streams = {name: _read_stream(message, name) for name in body.detectors}
    return Block(message.first_frame, message.n_frames, streams), body.source


def _read_stream(message: Message, name: str) -> FrameStream:
    offsets = _array(message, f"{name}.offsets", np.int64, message.n_frames + 1)
    words = _array(message, f"{name}.words", np.uint32)
    if (offsets[0], offsets[-1]) != (0, len(words)):
        raise MalformedMessage(
            f"block of primitives: {name}.offsets run from {offsets[0]} to {offsets[-1]}, "
            f"not from 0 to the {len(words)} words"
        )
    if np.any(np.diff(offsets) < 0):
        raise MalformedMessage(f"block of primitives: {name}.offsets fall")
    return FrameStream(message.first_frame, offsets, words)


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
        "source": vars(output.source),
        "l0": vars(output.l0),
        "span": output.span,
    }
    return Message(
        TRIGGERS, start.run, start.burst, first_frame=output.first_frame, n_frames=output.n_frames, menu=menu,
        body=body, arrays=arrays,
    )  # fmt: skip


def read_output(message: Message) -> L0Output:
    """Read L0's answer back. Raises MalformedMessage."""
    body = _read(_OUTPUT, message.body, "triggers")
    if body.account.keys() != set(ACCOUNTS):
        raise MalformedMessage(f"triggers: account must have {', '.join(ACCOUNTS)}")
    time_lsb = _array(message, "time", np.int64)
    n = len(time_lsb)
    triggers = Triggers(
        time_lsb,
        _array(message, "flags", np.uint16, n),
        _array(message, "word", np.uint8, n),
        np.zeros((0, 3, N_DETECTORS), np.uint32),
    )
    before, after, same_tick = (
        _array(message, name, np.int64, N_ROWS) for name in ("before", "after", "same_tick")
    )
    counts = L0Counts(before, after, same_tick, body.account)
    return L0Output(message.first_frame, message.n_frames, triggers, counts, body.source, body.l0, body.span)


def end_message(end: SpillEnd, start: SpillStart, menu: str) -> Message:
    """Return the end of a spill as its last message."""
    return Message(END, start.run, start.burst, menu=menu, body=asdict(end))


def read_end(message: Message) -> SpillEnd:
    """Read the end of a spill back. Raises MalformedMessage."""
    return _read(_END, message.body, "end of a spill")
