"""A message: one msgpack header, then its arrays as raw frames. Nothing is per event, and nothing is pickled.

Header keys: `v` (wire version), `kind`, `run`, `burst`, `epoch` (raised when a spill is replayed anew), `seq` (counts
the messages of a link from 0), `first_frame`, `n_frames`, `menu` (its hash, or empty), `body` (what else the kind
needs, small), `arrays` (name, dtype and length of each frame that follows, in order). Arrays have one dimension
and little-endian elements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgpack
import numpy as np
from numpy.typing import NDArray

from trigger.errors import KtrigError

VERSION: Final = 1

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_MESSAGE_BYTES: Final = 256 * 1024 * 1024
"""Nothing larger is sent or taken apart; a block of 1,024 frames of nominal NA62 has 1.5 MB."""

MAX_INTEGER: Final = 2**63 - 1
"""What an int64 holds."""

DTYPES: Final = {
    name: np.dtype(name).newbyteorder("<") for name in ("u1", "u2", "u4", "u8", "i2", "i4", "i8", "f4", "f8")
}

_INTEGERS: Final = ("run", "burst", "epoch", "seq", "first_frame", "n_frames")
_KEYS: Final = frozenset({"v", "kind", "menu", "body", "arrays", *_INTEGERS})

Buffer = bytes | memoryview


class MalformedMessage(KtrigError):  # noqa: N818 - what it is says more than Error
    """Frames that are no message of ours; they are counted and dropped, never fatal."""


class MessageTooLong(KtrigError):  # noqa: N818 - what it is says more than Error
    """A message that no receiver would take."""


@dataclass(frozen=True)
class Message:
    """A message in memory; `arrays` may share memory with the frames it was decoded from."""

    kind: str
    run: int = 0
    burst: int = 0
    epoch: int = 0
    seq: int = 0
    first_frame: int = 0
    n_frames: int = 0
    menu: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def numbered(self, epoch: int, seq: int) -> Message:
        """Return this message as number `seq` of a link."""
        return replace(self, epoch=epoch, seq=seq)

    def encode(self) -> list[Buffer]:
        """Return the frames of the multipart message; contiguous arrays are not copied.

        Raises MessageTooLong, and ValueError for an array whose shape or dtype has no form on the wire.
        """
        arrays = {name: _wire_array(name, array) for name, array in self.arrays.items()}
        header: dict[str, Any] = {key: int(getattr(self, key)) for key in _INTEGERS}
        header.update(v=VERSION, kind=self.kind, menu=self.menu, body=self.body)
        header["arrays"] = [[name, _dtype_name(a), len(a)] for name, a in arrays.items()]
        frames = [msgpack.packb(header), *(a.data.cast("B") if a.size else b"" for a in arrays.values())]
        size = sum(map(len, frames))
        if len(frames[0]) > MAX_HEADER_BYTES or size > MAX_MESSAGE_BYTES:
            raise MessageTooLong(
                f"a message of kind {self.kind} would have {size:,} bytes ({len(frames[0]):,} of header), "
                f"more than {MAX_MESSAGE_BYTES:,} ({MAX_HEADER_BYTES:,}); put fewer frames in a block"
            )
        return frames

    @classmethod
    def decode(cls, frames: Sequence[Buffer]) -> Message:
        """Take a message apart; lengths are checked before anything is allocated.

        Raises MalformedMessage that says what is wrong.
        """
        header = _read_header(frames)
        arrays: dict[str, NDArray[Any]] = {}
        if len(header["arrays"]) != len(frames) - 1:
            raise MalformedMessage(
                f"{len(frames) - 1} array frames, {len(header['arrays'])} named in the header"
            )
        for entry, frame in zip(header["arrays"], frames[1:], strict=True):
            name, dtype, length = _read_array_entry(entry)
            if name in arrays:
                raise MalformedMessage(f"array {name!r} is there twice")
            if len(frame) != dtype.itemsize * length:
                raise MalformedMessage(
                    f"array {name!r}: {len(frame)} bytes, {length} x {dtype.itemsize} named in the header"
                )
            array = np.frombuffer(frame, dtype)
            # A short frame may lie anywhere in a buffer of ZeroMQ's; kernels need whole addresses.
            arrays[name] = array if array.flags.aligned else array.copy()
        fixed = {key: header[key] for key in _INTEGERS}
        return cls(header["kind"], **fixed, menu=header["menu"], body=header["body"], arrays=arrays)


def _dtype_name(array: NDArray[Any]) -> str:
    return f"{array.dtype.kind}{array.dtype.itemsize}"


def _wire_array(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in the form of the wire: itself, if it is contiguous and little-endian."""
    dtype = DTYPES.get(_dtype_name(array))
    if dtype is None or array.ndim != 1:
        raise ValueError(f"array {name!r}: {array.dtype} of {array.ndim} dimensions cannot be sent")
    return np.ascontiguousarray(array, dtype)


def _read_header(frames: Sequence[Buffer]) -> dict[str, Any]:
    if not frames or len(frames[0]) > MAX_HEADER_BYTES:
        raise MalformedMessage("no header, or one that is too long")
    if sum(map(len, frames)) > MAX_MESSAGE_BYTES:
        raise MalformedMessage(f"longer than {MAX_MESSAGE_BYTES} bytes")
    try:
        header = msgpack.unpackb(frames[0])
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError):
        raise MalformedMessage("the header is not msgpack") from None
    if not isinstance(header, dict) or header.keys() != _KEYS:
        raise MalformedMessage("the header does not have the keys of a message")
    if not _is_integer(header["v"]) or header["v"] != VERSION:
        raise MalformedMessage(f"wire version {header['v']!r}, this ktrig speaks {VERSION}")
    for key in _INTEGERS:
        if not _is_integer(header[key]):
            raise MalformedMessage(f"{key} is not a whole number from 0 to 2^63 - 1")
    if not isinstance(header["kind"], str) or not isinstance(header["menu"], str):
        raise MalformedMessage("kind and menu are not text")
    if not isinstance(header["body"], dict) or not isinstance(header["arrays"], list):
        raise MalformedMessage("body is no map, or arrays is no list")
    return header


def _is_integer(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _read_array_entry(entry: Any) -> tuple[str, np.dtype[Any], int]:
    match entry:
        case [str(name), str(dtype), length] if dtype in DTYPES and _is_integer(length):
            return name, DTYPES[dtype], length
    raise MalformedMessage("an entry of arrays is not [name, dtype, length]")
