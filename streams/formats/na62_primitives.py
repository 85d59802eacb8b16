"""NA62's two formats of L0 primitives, as the detectors send them: the bodies of the packets, end to end.

Both are little-endian. Timestamps count ticks since SOB, fine times are 1/256 of a tick.

32-bit: u32 words. A word whose top byte is 0 is a timestamp word, its low 24 bits are timestamp[31:8] of
what follows. Any other word is a primitive: [31:16] ID, [15:8] timestamp[7:0], [7:0] fine time. So an ID
below 256 cannot be sent.

64-bit: 8 bytes a primitive: fine time (u8), reserved (u8), ID (u16), timestamp (u32, of which the firmware
drops the highest bit).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from streams.regular import not_regular
from trigger.clock import FRAME_BITS, TICK_BITS, lsb, seconds
from trigger.errors import KtrigError
from trigger.frames import Block, FrameStream

LONGEST_BURST_S: Final = 30.0
"""A later time is not a time: several times the 4.8 s of an SPS extraction, and less than the 53.6 s that
31 bits of timestamp can hold."""

TIMESTAMP_BITS_64: Final = 31
"""Bits of the timestamp in the 64-bit format that the firmware keeps."""

Format = Literal["32", "64"]

_FORMAT_64: Final = np.dtype([("fine", "u1"), ("reserved", "u1"), ("id", "<u2"), ("timestamp", "<u4")])


class PrimitivesError(KtrigError):
    """A file that is not what its format says."""


@dataclass(frozen=True)
class Primitives:
    """What a file of primitives holds, in the order of the file.

    times_lsb: int64[n], LSB since SOB. ids: uint16[n], never 0. discarded: primitives with ID 0, left out
    because the L0 processor discards them.
    """

    format: Format
    times_lsb: NDArray[np.int64]
    ids: NDArray[np.uint16]
    discarded: int

    @property
    def steps_back(self) -> int:
        """How often a primitive is earlier than the one before it in the file."""
        return int(np.count_nonzero(np.diff(self.times_lsb) < 0))

    @property
    def frames_in_order(self) -> bool:
        """Whether no primitive lies in an earlier frame than the one before it in the file."""
        return not (np.diff(self.times_lsb >> FRAME_BITS) < 0).any()


def parse_32(raw: bytes) -> Primitives:
    """Parse the 32-bit format. Raises PrimitivesError (without the file's name)."""
    _check_size(raw, 4)
    words = np.frombuffer(raw, "<u4")
    is_timestamp = words >> 24 == 0
    index = np.arange(len(words))
    last_timestamp = np.maximum.accumulate(np.where(is_timestamp, index, -1))
    primitive = np.flatnonzero(~is_timestamp)
    if primitive.size and last_timestamp[primitive[0]] < 0:
        byte = 4 * int(primitive[0])
        raise PrimitivesError(f"byte {byte}: a primitive comes before any timestamp word")
    high = words[last_timestamp[primitive]].astype(np.int64)
    words = words[primitive]
    times = (high << FRAME_BITS) + (words & 0xFFFF)
    return _checked(Primitives("32", times, (words >> 16).astype(np.uint16), 0), 4 * primitive)


def parse_64(raw: bytes) -> Primitives:
    """Parse the 64-bit format. Raises PrimitivesError (without the file's name)."""
    _check_size(raw, _FORMAT_64.itemsize)
    rows = np.frombuffer(raw, _FORMAT_64)
    kept = np.flatnonzero(rows["id"])
    discarded = len(rows) - len(kept)
    rows = rows[kept]
    timestamps = rows["timestamp"].astype(np.int64) & ((1 << TIMESTAMP_BITS_64) - 1)
    times = (timestamps << TICK_BITS) + rows["fine"]
    ids = rows["id"].astype(np.uint16)
    return _checked(Primitives("64", times, ids, discarded), _FORMAT_64.itemsize * kept)


def _check_size(raw: bytes, size: int) -> None:
    if len(raw) % size:
        raise PrimitivesError(f"its size, {len(raw)} bytes, is not a multiple of {size} bytes")


def _checked(primitives: Primitives, byte: NDArray[np.int64]) -> Primitives:
    """Refuse an empty result and times that no burst has; `byte` is where each primitive is in the file."""
    times = primitives.times_lsb
    if not len(times):
        zeros = f" but {primitives.discarded} with ID 0" if primitives.discarded else ""
        raise PrimitivesError(f"it holds no primitive{zeros}")
    late = np.flatnonzero(times > lsb(LONGEST_BURST_S))
    if late.size:
        raise PrimitivesError(
            f"byte {byte[late[0]]}: a primitive at {seconds(int(times[late[0]])):.3f} s, later than any "
            f"burst ({LONGEST_BURST_S:g} s)"
        )
    return primitives


PARSERS: Final[dict[Format, Callable[[bytes], Primitives]]] = {"32": parse_32, "64": parse_64}


def guess(raw: bytes) -> Primitives:
    """Parse with the one format that fits. Raises PrimitivesError if none fits, or both do.

    A format fits if the bytes parse, every time lies inside a burst, and the frames come in order: a
    detector sends one packet a frame, and read in the wrong format times jump back and forth.
    """
    fitting, reasons = [], []
    for name, parse in PARSERS.items():
        try:
            found = parse(raw)
        except PrimitivesError as wrong:
            reasons.append(f"{name}-bit: {wrong}")
            continue
        if found.frames_in_order:
            fitting.append(found)
        else:
            reasons.append(f"{name}-bit: its frames are not in order")
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise PrimitivesError("fits the 32-bit and the 64-bit format; say which with --format")
    raise PrimitivesError(
        f"fits no format of primitives ({'; '.join(reasons)}); give another file, or say which with --format"
    )


def pack(found: Mapping[str, Primitives]) -> Block:
    """Pack detectors' primitives into one block, from frame 0 to the frame of the last primitive.

    They are sorted by time, which the experiment's processor does not do: it takes them as they come.
    """
    n_frames = 1 + (max(int(p.times_lsb.max()) for p in found.values()) >> FRAME_BITS)
    streams = {name: FrameStream.pack(p.times_lsb, p.ids, 0, n_frames) for name, p in found.items()}
    return Block(0, n_frames, streams)


def read(path: str | Path, wanted: Format | Literal["auto"] = "auto") -> Primitives:
    """Read a file of primitives. Raises PrimitivesError that names the file."""
    try:
        if what := not_regular(Path(path)):
            raise PrimitivesError(f"{path}: is {what}; give a file of primitives")
        raw = Path(path).read_bytes()
    except OSError as wrong:
        raise PrimitivesError(f"{path}: {wrong.strerror}; give a file of primitives") from None
    try:
        return guess(raw) if wanted == "auto" else PARSERS[wanted](raw)
    except PrimitivesError as wrong:
        as_format = "" if wanted == "auto" else f" (read in the {wanted}-bit format)"
        raise PrimitivesError(f"{path}: {wrong}{as_format}") from None
