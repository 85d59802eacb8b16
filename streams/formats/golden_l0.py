"""Golden vectors of the L0 processor: inputs and outputs recorded from a simulation of the firmware.

A file is one JSON object, plain or gzipped: the registers, the primitives in order of arrival and the triggers
that came out. Keys that are not named here are ignored.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from trigger.clock import FRAME_BITS, TICK_BITS, TICKS_PER_FRAME
from trigger.errors import KtrigError
from trigger.frames import BLOCK_FRAMES, ID_SHIFT, Block, FrameStream
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, MAX_FINE_TIME_BITS, N_DETECTORS, N_MASKS, N_ROWS, L0Registers
from trigger.l0.triggers import Triggers, join_triggers
from trigger.menu import MAX_TICK, MAX_TIME_CUT_LSB
from trigger.toml_source import Path as Place
from trigger.toml_source import Whole, dotted, shown

DETECTORS: Final = ("CHOD", "RICH", "LAV12", "MUV3", "NewCHOD", "TALK", "LKr")
"""Names of the detector indices in these files."""

GZIP_MAGIC: Final = b"\x1f\x8b"

MAX_FRAME: Final = MAX_TICK // TICKS_PER_FRAME

TICK_LIMIT: Final = 1 << (63 - TICK_BITS)
"""Ticks whose LSB fit into 64 bits. A recorded trigger may be anywhere in there: that it is wrong is for the
comparison to find."""

Index = Annotated[Whole, Field(ge=0, lt=N_DETECTORS)]
Byte = Annotated[Whole, Field(ge=0, le=0xFF)]
Word16 = Annotated[Whole, Field(ge=0, le=0xFFFF)]
Register = Annotated[Whole, Field(ge=0, le=0xFFFF_FFFF)]
Timestamp = Annotated[Whole, Field(ge=0, le=MAX_TICK)]
AnyTimestamp = Annotated[Whole, Field(gt=-TICK_LIMIT, lt=TICK_LIMIT)]
Cut = Annotated[Whole, Field(ge=0, le=MAX_TIME_CUT_LSB)]
Count = Annotated[Whole, Field(ge=0)]
Words = Annotated[tuple[Word16, ...], Field(min_length=N_DETECTORS, max_length=N_DETECTORS)]
Slots = tuple[Word16, Word16, Word16]

PRIMITIVE_COLUMNS: Final = ("detector", "timestamp", "fine_time", "primitive_id")
TRIGGER_COLUMNS: Final = ("timestamp", "reference_fine_time", "trigger_flags", "trigger_word", *DETECTORS)
COLUMNS: Final = {"primitives": PRIMITIVE_COLUMNS, "triggers": TRIGGER_COLUMNS}


class GoldenError(KtrigError):
    """A golden-vector file that cannot be read or is wrong."""


class _Object(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Row(_Object):
    mask: Words
    dontcare: Words
    downscale_register: Register


class _Config(_Object):
    fine_time_bits: Annotated[Whole, Field(ge=0, le=MAX_FINE_TIME_BITS)]
    reference_detector: Index
    control_detector: Index
    control_enabled: StrictBool
    masks: Annotated[tuple[_Row, ...], Field(min_length=N_MASKS, max_length=N_MASKS)]
    control: _Row
    time_cut_lsb: Annotated[tuple[Cut, ...], Field(min_length=N_DETECTORS, max_length=N_DETECTORS)]


class _File(_Object):
    config: _Config
    first_frame: Annotated[Whole, Field(ge=0, le=MAX_FRAME)]
    frames_merged: Count
    primitives: list[tuple[Index, Timestamp, Byte, Word16]]
    primitives_per_frame: list[Count]
    triggers: list[
        tuple[AnyTimestamp, Byte, Word16, Byte, Slots, Slots, Slots, Slots, Slots, Slots, Slots]
    ]  # fmt: skip


@dataclass(frozen=True)
class GoldenVectors:
    """One file: what goes into the L0 processor and what must come out.

    block: all primitives, streams by the names in `DETECTORS`; primitives with ID 0 are in it. merged_stop: the
    first frame that the recorded processor did not merge. expected: the triggers as the file has them, in any order
    and at any time; their slots hold IDs only, with times 0.
    """

    source: str
    registers: L0Registers
    block: Block
    merged_stop: int
    expected: Triggers

    def blocks(self, n_frames: int = BLOCK_FRAMES) -> Iterator[Block]:
        """Yield the primitives in blocks of `n_frames`, the last one shorter."""
        whole = self.block
        for first in range(whole.first_frame, whole.stop_frame, n_frames):
            stop = min(first + n_frames, whole.stop_frame)
            yield whole.cut(first, stop)

    def run(self, block_frames: int = BLOCK_FRAMES) -> Triggers:
        """Run the L0 processor on the primitives; return its triggers in the merged frames, with slots."""
        processor = L0Processor(self.registers, DETECTORS, keep_slots=True)
        found = join_triggers([*map(processor.process, self.blocks(block_frames)), processor.finish()])
        n = int(np.searchsorted(found.time_lsb, self.merged_stop << FRAME_BITS))
        return Triggers(found.time_lsb[:n], found.flags[:n], found.word[:n], found.slots[:n])


def read(path: str | Path) -> GoldenVectors:
    """Read a golden-vector file. Raises GoldenError that names file, field, value and remedy."""
    source = str(path)
    try:
        content = _File.model_validate_json(_text(Path(path)))
    except ValidationError as wrong:
        raise GoldenError(f"{source}: {_worded(wrong)}") from None
    stop_frame = content.first_frame + len(content.primitives_per_frame)
    if content.frames_merged > len(content.primitives_per_frame):
        raise _fault(
            source,
            ("frames_merged",),
            f"must be at most the {len(content.primitives_per_frame)} frames of primitives_per_frame "
            f"(is {content.frames_merged})",
        )
    merged_stop = content.first_frame + content.frames_merged
    primitives = np.array(content.primitives, np.int64).reshape(-1, len(PRIMITIVE_COLUMNS))
    _check_frames(source, content, primitives)
    streams = {}
    for d, name in enumerate(DETECTORS):
        streams[name] = _stream(source, primitives, d, content.first_frame, stop_frame)
    return GoldenVectors(
        source,
        _registers(content.config),
        Block(content.first_frame, stop_frame - content.first_frame, streams),
        merged_stop,
        _expected(content),
    )


def _text(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise GoldenError(f"{path}: is not a regular file; give a .json or .json.gz file")
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as wrong:
        raise GoldenError(f"{path}: its compression is damaged ({wrong}); copy the file again") from None
    except OSError as wrong:
        raise GoldenError(f"{path}: {wrong.strerror}; give a .json or .json.gz file") from None


def _fault(source: str, place: Place, message: str) -> GoldenError:
    return GoldenError(f"{source}: {dotted(place)}: {message}")


def _worded(wrong: ValidationError) -> str:
    """Word the first of pydantic's findings: the place, what is wanted, what is there."""
    found = wrong.errors(include_url=False)[0]
    if found["type"] == "json_invalid":
        return f"not JSON ({found['ctx']['error']}); give a golden-vector file"
    place = dotted(_named(found["loc"]))
    if found["type"] == "missing":
        inside = "" if isinstance(found["input"], dict) else f" (in {shown(found['input'])})"
        return f"{place}: missing{inside}; give a golden-vector file that has it"
    message = found["msg"].replace("Input should be", "must be")
    at = f"{place}: " if place else ""
    return f"{at}{message} (is {shown(found['input'])})"


def _named(place: tuple[Any, ...]) -> Place:
    """Replace the column number in a place by the column's name."""
    if len(place) > 2 and place[0] in COLUMNS:
        columns = COLUMNS[place[0]]
        return (*place[:2], columns[place[2]] if place[2] < len(columns) else place[2], *place[3:])
    return place


def _check_frames(source: str, content: _File, primitives: NDArray[np.int64]) -> None:
    """Raise GoldenError unless each primitive's timestamp lies in the frame that it is counted in."""
    counts = np.array(content.primitives_per_frame, np.int64)
    if counts.sum() != len(primitives):
        raise _fault(
            source,
            ("primitives_per_frame",),
            f"sum must be the number of rows of primitives, {len(primitives)} (is {counts.sum()})",
        )
    frames = content.first_frame + np.repeat(np.arange(len(counts)), counts)
    outside = np.flatnonzero(primitives[:, 1] // TICKS_PER_FRAME != frames)
    if outside.size:
        row = int(outside[0])
        raise _fault(
            source,
            ("primitives", row, "timestamp"),
            f"must be in frame {frames[row]}, where primitives_per_frame counts it (is {primitives[row, 1]}, "
            f"frame {primitives[row, 1] // TICKS_PER_FRAME})",
        )


def _stream(
    source: str, primitives: NDArray[np.int64], detector: int, first_frame: int, stop_frame: int
) -> FrameStream:
    """Return a detector's primitives. Raises GoldenError unless they come in order of time."""
    rows = np.flatnonzero(primitives[:, 0] == detector)
    times = (primitives[rows, 1] << TICK_BITS) + primitives[rows, 2]
    late = np.flatnonzero(np.diff(times) < 0)
    if late.size:
        row = int(rows[late[0] + 1])
        raise _fault(
            source,
            ("primitives", row),
            f"must not be earlier than row {rows[late[0]] + 1}, the one before of {DETECTORS[detector]}; "
            "sort each detector's primitives by time",
        )
    return FrameStream.pack(
        times, primitives[rows, 3].astype(np.uint16), first_frame, stop_frame - first_frame
    )


def _registers(config: _Config) -> L0Registers:
    rows = [*config.masks, config.control]
    enabled = np.ones(N_ROWS, np.bool_)
    enabled[CONTROL] = config.control_enabled
    return L0Registers(
        fine_time_bits=config.fine_time_bits,
        reference=config.reference_detector,
        control=config.control_detector if config.control_enabled else None,
        mask=np.array([row.mask for row in rows]),
        dontcare=np.array([row.dontcare for row in rows]),
        enabled=enabled,
        downscale=np.array([row.downscale_register for row in rows]),
        time_cut_lsb=np.array(config.time_cut_lsb),
    )


def _expected(content: _File) -> Triggers:
    head = np.array([row[:4] for row in content.triggers], np.int64).reshape(-1, 4)
    ids = np.array([row[4:] for row in content.triggers], np.uint32).reshape(-1, N_DETECTORS, 3)
    return Triggers(
        (head[:, 0] << TICK_BITS) + head[:, 1],
        head[:, 2].astype(np.uint16),
        head[:, 3].astype(np.uint8),
        ids.transpose(0, 2, 1) << np.uint32(ID_SHIFT),
    )
