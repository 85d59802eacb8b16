"""What stages tell each other about a spill, in memory and as messages.

A spill is a SpillStart, blocks in order, and a SpillEnd with the totals of every stage it went through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from streams.counts import L1_ARRAYS, L1_NUMBERS, ROWS, L0Counts, L1Counts, LineLosses
from streams.findings import Findings
from streams.timing import Lateness
from streams.wire.message import MAX_INTEGER, MalformedMessage, Message
from streams.wire.state import Count, LinkState
from trigger.clock import FRAME_BITS
from trigger.frames import Block, FrameStream
from trigger.l0.fates import CAUSES, FATES
from trigger.l0.registers import N_DETECTORS, N_MASKS, N_ROWS
from trigger.l0.triggers import ACCOUNTS, Triggers
from trigger.l1.fates import FATES as L1_FATES
from trigger.l1.fates import LINE_FATES, NOTES

START: Final = "sob"
BLOCK: Final = "primitives"
TRIGGERS: Final = "triggers"
END: Final = "eob"

MAX_FRAMES: Final = (MAX_INTEGER + 1) >> FRAME_BITS
"""Times are int64 LSB, so there are no more frames than this."""

Frames = Annotated[int, Field(strict=True, ge=0, le=MAX_FRAMES)]
FrameCounts = NDArray[np.uint16]


@dataclass(frozen=True)
class SpillStart:
    """Which spill comes.

    primitives: how many it has of each detector, in the order of the file. index: its number in the replay. last:
    whether the replay ends with it. counters: where the downscaling of each line begins, once L0 knows. parts: the
    optional parts of the file, as "beam" or "hits/STRAW". simulated: whether it was.
    """

    experiment: str
    run: Count
    burst: Count
    sob_unix_ns: Count
    n_frames: Frames
    primitives: dict[str, Count]
    file: str = ""
    index: Count = 0
    last: bool = True
    counters: dict[str, Count] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    simulated: bool = False

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors."""
        return tuple(self.primitives)

    def message(self, menu: str) -> Message:
        """Return this as the first message of a spill."""
        return Message(START, self.run, self.burst, n_frames=self.n_frames, menu=menu, body=asdict(self))

    @classmethod
    def of(cls, message: Message) -> SpillStart:
        """Read it back. Raises MalformedMessage."""
        return read_body(_START, message.body, "start of a spill")


@dataclass
class StageTotals:
    """What one stage did with a spill.

    primitives: by detector. busy_s: CPU time of reading, computing or counting; moving messages is not in it.
    links: the links that end at the stage, by the name of their receiver.
    """

    blocks: Count = 0
    primitives: dict[str, Count] = field(default_factory=dict)
    busy_s: FiniteFloat = 0.0
    links: dict[str, LinkState] = field(default_factory=dict)

    @classmethod
    def of(cls, start: SpillStart) -> StageTotals:
        """Return the totals at the start of a spill."""
        return cls(primitives=dict.fromkeys(start.detectors, 0))

    def copy(self) -> StageTotals:
        """Return where the stage stands now; its own totals go on."""
        links = {name: replace(state) for name, state in self.links.items()}
        return StageTotals(self.blocks, self.primitives.copy(), self.busy_s, links)

    def add(self, block: Block) -> None:
        """Count a block."""
        self.blocks += 1
        for name, stream in block.streams.items():
            self.primitives[name] = self.primitives.get(name, 0) + len(stream.words)

    def take_back(self, block: Block) -> None:
        """Undo the count of a block that was not sent after all."""
        self.blocks -= 1
        for name, stream in block.streams.items():
            self.primitives[name] -= len(stream.words)


Stages = dict[str, StageTotals]
"""Totals by the name of the stage."""


@dataclass(frozen=True)
class L0Output:
    """What L0 makes of one block: the triggers that it dispatches, and where its counts stand.

    first_frame, n_frames: the block. span: first and last frame of it that have primitives, or None. late: of the
    blocks that the sender took before this one. frame_counts: primitives of each detector in each frame,
    uint16[n detectors, n_frames]. l1: where L1 stands, if it runs; events of this block may not be in it yet.
    findings: what it found for the monitors since the answer before.
    """

    first_frame: int
    n_frames: int
    triggers: Triggers
    counts: L0Counts
    stages: Stages
    span: tuple[int, int] | None
    late: Lateness = field(default_factory=Lateness)
    frame_counts: FrameCounts = field(default_factory=lambda: np.zeros((0, 0), np.uint16))
    l1: L1Counts | None = None
    findings: Findings | None = None


@dataclass(frozen=True)
class SpillEnd:
    """The end of a spill.

    anchor_s: monotonic time of this host at which the spill began; played_s: from then until the source had sent
    all blocks, `frames` frames. asked_speed: None if as fast as it goes. attempts: how often the spill was begun.
    interrupted: the rest of it was not played. counters: where the downscaling of each line ended. cases: the first
    of the line asked for, as (kind, cause or '', LSB since SOB).
    """

    anchor_s: FiniteFloat
    frames: Frames
    played_s: FiniteFloat
    asked_speed: FiniteFloat | None
    late: Lateness
    stages: Stages
    attempts: Count = 1
    interrupted: bool = False
    counters: dict[str, Count] = field(default_factory=dict)
    cases: tuple[tuple[str, str, Count], ...] = ()


@dataclass(frozen=True)
class _BlockBody:
    """What a block's message says beside its arrays."""

    detectors: tuple[str, ...]
    source: StageTotals
    late: Lateness


@dataclass(frozen=True)
class _L1Body:
    """What it says of L1 beside its arrays."""

    events: Count
    missing: dict[str, Count]


@dataclass(frozen=True)
class _OutputBody:
    """What the message of L0's answer says beside its arrays."""

    account: dict[str, Count]
    dispatch: dict[str, Count]
    pending: Count
    stages: Stages
    span: tuple[Frames, Frames] | None
    late: Lateness
    l1: _L1Body | None = None


_START: Final = TypeAdapter(SpillStart)
_BLOCK: Final = TypeAdapter(_BlockBody)
_OUTPUT: Final = TypeAdapter(_OutputBody)
_END: Final = TypeAdapter(SpillEnd)

T = TypeVar("T")


def read_body(kind: TypeAdapter[T], body: Mapping[str, Any], what: str) -> T:
    """Read the body of a message. Raises MalformedMessage that names the field."""
    try:
        return kind.validate_python(body)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        # A key is somebody else's text: shown escaped if it would break the line.
        place = ".".join(str(key) if str(key).isprintable() else repr(key) for key in first["loc"])
        raise MalformedMessage(f"{what}: {place}: {first['msg']}") from None


def read_array(message: Message, name: str, dtype: Any, length: int | None = None) -> NDArray[Any]:
    """Return an array of a message. Raises MalformedMessage if it is missing, or not of the type and length."""
    array = message.arrays.get(name)
    if array is None or array.dtype != dtype or (length is not None and len(array) != length):
        wanted = f"{np.dtype(dtype)}[{'' if length is None else length}]"
        found = "missing" if array is None else f"{array.dtype}[{len(array)}]"
        raise MalformedMessage(f"{message.kind}: array {name} must be {wanted} (is {found})")
    return array


def block_message(block: Block, start: SpillStart, totals: StageTotals, late: Lateness, menu: str) -> Message:
    """Return a block of primitives as a message; `totals` are the source's with it, `late` those before it."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, stream in block.streams.items():
        arrays[f"{name}.offsets"] = stream.offsets
        arrays[f"{name}.words"] = stream.words
    return Message(
        BLOCK, start.run, start.burst, first_frame=block.first_frame, n_frames=block.n_frames, menu=menu,
        body={"detectors": list(block.streams), "source": asdict(totals), "late": asdict(late)}, arrays=arrays,
    )  # fmt: skip


def read_block(message: Message) -> tuple[Block, StageTotals, Lateness]:
    """Read a block back; the arrays stay where they are. Raises MalformedMessage."""
    body = read_body(_BLOCK, message.body, "block of primitives")
    if not body.detectors or message.first_frame + message.n_frames > MAX_FRAMES:
        raise MalformedMessage("block of primitives: it has no detectors, or lies beyond any spill")
    streams = {name: _read_stream(message, name) for name in body.detectors}
    return Block(message.first_frame, message.n_frames, streams), body.source, body.late


def _read_stream(message: Message, name: str) -> FrameStream:
    offsets = read_array(message, f"{name}.offsets", np.int64, message.n_frames + 1)
    words = read_array(message, f"{name}.words", np.uint32)
    if (offsets[0], offsets[-1]) != (0, len(words)):
        raise MalformedMessage(
            f"block of primitives: {name}.offsets run from {offsets[0]} to {offsets[-1]}, "
            f"not from 0 to the {len(words)} words"
        )
    if (offsets[1:] < offsets[:-1]).any():
        raise MalformedMessage(f"block of primitives: {name}.offsets fall")
    return FrameStream(message.first_frame, offsets, words)


def output_message(output: L0Output, start: SpillStart, menu: str) -> Message:
    """Return L0's answer to a block as a message."""
    counts, triggers = output.counts, output.triggers
    arrays: dict[str, NDArray[Any]] = {
        "time": triggers.time_lsb,
        "flags": triggers.flags,
        "word": triggers.word,
        "frame_counts": output.frame_counts.ravel(),
        **({} if output.findings is None else output.findings.arrays()),
        **{name: getattr(counts, name) for name in ROWS},
        **({} if counts.losses is None else {k: v.ravel() for k, v in vars(counts.losses).items()}),
        **(
            {}
            if output.l1 is None
            else {f"l1.{name}": getattr(output.l1, name).ravel() for name in L1_ARRAYS}
        ),
    }
    body = {
        "account": counts.account,
        "dispatch": counts.dispatch,
        "pending": counts.pending,
        "stages": {name: asdict(totals) for name, totals in output.stages.items()},
        "span": output.span,
        "late": asdict(output.late),
        "l1": None if output.l1 is None else {name: getattr(output.l1, name) for name in L1_NUMBERS},
    }
    return Message(
        TRIGGERS, start.run, start.burst, first_frame=output.first_frame, n_frames=output.n_frames, menu=menu,
        body=body, arrays=arrays,
    )  # fmt: skip


def read_output(message: Message) -> L0Output:
    """Read L0's answer back. Raises MalformedMessage."""
    body = read_body(_OUTPUT, message.body, "triggers")
    for name, wanted in (("account", ACCOUNTS), ("dispatch", FATES)):
        if getattr(body, name).keys() != set(wanted):
            raise MalformedMessage(f"triggers: {name} must have {', '.join(wanted)}")
    time_lsb = read_array(message, "time", np.int64)
    n = len(time_lsb)
    triggers = Triggers(
        time_lsb,
        read_array(message, "flags", np.uint16, n),
        read_array(message, "word", np.uint8, n),
        np.zeros((0, 3, N_DETECTORS), np.uint32),
    )
    rows = {name: read_array(message, name, np.int64, N_ROWS) for name in ROWS}
    losses = _read_losses(message) if "ideal" in message.arrays else None
    counts = L0Counts(
        **rows, losses=losses, account=body.account, dispatch=body.dispatch, pending=body.pending
    )
    return L0Output(
        message.first_frame, message.n_frames, triggers, counts, body.stages, body.span, body.late,
        _read_frame_counts(message), None if body.l1 is None else _read_l1(message, body.l1), Findings.of(message),
    )  # fmt: skip


def _read_frame_counts(message: Message) -> FrameCounts:
    flat = read_array(message, "frame_counts", np.uint16)
    n_frames = message.n_frames
    if len(flat) % n_frames if n_frames else len(flat):
        raise MalformedMessage(f"triggers: {len(flat)} frame_counts are not those of {n_frames} frames")
    return flat.reshape(-1, n_frames) if n_frames else np.zeros((0, 0), np.uint16)


def _read_l1(message: Message, body: _L1Body) -> L1Counts:
    return L1Counts(
        fates=read_array(message, "l1.fates", np.int64, len(L1_FATES)),
        lines=read_array(message, "l1.lines", np.int64, N_MASKS * len(LINE_FATES)).reshape(N_MASKS, -1),
        failed=read_array(message, "l1.failed", np.int64),
        notes=read_array(message, "l1.notes", np.int64, len(NOTES)),
        **vars(body),
    )


def _read_losses(message: Message) -> LineLosses:
    ideal, same_slot = (read_array(message, name, np.int64, N_ROWS) for name in ("ideal", "same_slot"))
    by_cause = (N_ROWS, len(CAUSES))
    lost, gained = (
        read_array(message, name, np.int64, N_ROWS * len(CAUSES)).reshape(by_cause)
        for name in ("lost", "gained")
    )
    return LineLosses(ideal, same_slot, lost, gained)


def end_message(end: SpillEnd, start: SpillStart, menu: str) -> Message:
    """Return the end of a spill as its last message."""
    return Message(END, start.run, start.burst, menu=menu, body=asdict(end))


def read_end(message: Message) -> SpillEnd:
    """Read the end of a spill back. Raises MalformedMessage."""
    return read_body(_END, message.body, "end of a spill")
