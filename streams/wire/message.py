"""A message: one msgpack header, then its arrays as raw frames. Nothing is per event, and nothing is pickled.

Header keys: `v` (wire version), `kind`, `run`, `burst`, `epoch` (raised when a spill is replayed anew), `seq` (counts
the messages of a link from 0), `first_frame`, `n_frames`, `menu` (its hash, or empty), `body` (what else the kind
needs, small), `arrays` (name, dtype and length of each frame that follows, in order).
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
"""Nothing larger is taken apart; a block of 1,024 frames of nominal NA62 has 1.5 MB."""

DTYPES: Final = {
    name: np.dtype(name).newbyteorder("<") for name in ("u1", "u2", "u4", "u8", "i4", "i8", "f8")
}

_INTEGERS: Final = ("run", "burst", "epoch", "seq", "first_frame", "n_frames")
_KEYS: Final = frozenset({"v", "kind", "menu", "body", "arrays", *_INTEGERS})

Buffer = bytes | memoryview


class MalformedMessage(KtrigError):  # noqa: N818 - what it is says more than Error
    """Frames that are no message of ours; they are counted and dropped, never fatal."""


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

    @property
    def n_bytes(self) -> int:
        """Size of the arrays: what credit is counted in."""
        return sum(a.nbytes for a in self.arrays.values())

    def numbered(self, epoch: int, seq: int) -> Message:
        """Return this message as number `seq` of a link."""
        return replace(self, epoch=epoch, seq=seq)

    def encode(self) -> list[Buffer]:
        """Return the frames of the multipart message; the arrays are not copied."""
        arrays = {name: np.ascontiguousarray(a) for name, a in self.arrays.items()}
        header: dict[str, Any] = {key: int(getattr(self, key)) for key in _INTEGERS}
        header.update(v=VERSION, kind=self.kind, menu=self.menu, body=self.body)
        header["arrays"] = [[name, f"{a.dtype.kind}{a.dtype.itemsize}", len(a)] for name, a in arrays.items()]
        return [msgpack.packb(header), *(a.data.cast("B") if a.size else b"" for a in arrays.values())]

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
            if name in arrays or len(frame) != dtype.itemsize * length:
                raise MalformedMessage(
                    f"array {name!r}: {len(frame)} bytes, {length} x {dtype.itemsize} named in the header"
                )
            array = np.frombuffer(frame, dtype)
            # A short frame may lie anywhere in a buffer of ZeroMQ's; kernels need whole addresses.
            arrays[name] = array if array.flags.aligned else array.copy()
        fixed = {key: header[key] for key in _INTEGERS}
        return cls(header["kind"], **fixed, menu=header["menu"], body=header["body"], arrays=arrays)


def _read_header(frames: Sequence[Buffer]) -> dict[str, Any]:
    if not frames or len(frames[0]) > MAX_HEADER_BYTES:
        raise MalformedMessage("no header, or one that is too long")
    if sum(len(f) for f in frames) > MAX_MESSAGE_BYTES:
        raise MalformedMessage(f"longer than {MAX_MESSAGE_BYTES} bytes")
    try:
        header = msgpack.unpackb(frames[0])
    except (ValueError, TypeError, msgpack.exceptions.UnpackException):
        raise MalformedMessage("the header is not msgpack") from None
    if not isinstance(header, dict) or header.keys() != _KEYS:
        raise MalformedMessage("the header does not have the keys of a message")
    if header["v"] != VERSION:
        raise MalformedMessage(f"wire version {header['v']!r}, this ktrig speaks {VERSION}")
    for key in _INTEGERS:
        if type(header[key]) is not int or header[key] < 0:
            raise MalformedMessage(f"{key} is not a whole number of at least 0")
    if not isinstance(header["kind"], str) or not isinstance(header["menu"], str):
        raise MalformedMessage("kind and menu are not text")
    if not isinstance(header["body"], dict) or not isinstance(header["arrays"], list):
        raise MalformedMessage("body is no map, or arrays is no list")
    return header


def _read_array_entry(entry: Any) -> tuple[str, np.dtype[Any], int]:
    match entry:
        case [str(name), str(dtype), int(length)] if dtype in DTYPES and length >= 0:
            return name, DTYPES[dtype], length
    raise MalformedMessage("an entry of arrays is not [name, dtype, length]")
