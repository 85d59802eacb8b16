"""A grant: what a receiver says to its sender, over and over. It is the whole state of the receiver's end.

One frame of msgpack, a map with the keys of `Grant` and `v`, the wire version. A grant can be lost, repeated or late
without harm: the next one says it all again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import msgpack

from streams.wire.message import MAX_INTEGER, VERSION, Buffer, MalformedMessage

MAX_GRANT_BYTES: Final = 1024
MAX_NAME_CHARACTERS: Final = 100

MAX_EPOCH: Final = MAX_INTEGER // 2
"""What a reader may claim: an epoch must be left to come after it."""

_INTEGERS: Final = ("instance", "credit", "epoch", "next")


@dataclass(frozen=True)
class Grant:
    """Where a receiver stands.

    reader: the receiver's name; one name is one place in the flow. instance: a number drawn when the receiver
    starts, so that one that was started anew shows. credit: bytes that may be under way to it. epoch, next: all
    messages before number `next` of that epoch are dealt with (0, 0 at the start). resume: send again from there.
    """

    reader: str
    instance: int
    credit: int
    epoch: int = 0
    next: int = 0
    resume: bool = False

    def encode(self) -> bytes:
        """Return the frame."""
        frame: bytes = msgpack.packb({"v": VERSION, **asdict(self)})
        return frame

    @classmethod
    def decode(cls, frames: Sequence[Buffer]) -> Grant:
        """Read it back. Raises MalformedMessage that says what is wrong."""
        if len(frames) != 1 or len(frames[0]) > MAX_GRANT_BYTES:
            raise MalformedMessage("a grant is one short frame")
        try:
            content = msgpack.unpackb(frames[0])
        except (ValueError, msgpack.exceptions.UnpackException, RecursionError):
            raise MalformedMessage("the grant is not msgpack") from None
        if not isinstance(content, dict) or content.keys() != {"v", *cls.__dataclass_fields__}:
            raise MalformedMessage("the grant does not have the keys of one")
        version = content.pop("v")
        if type(version) is not int or version != VERSION:
            raise MalformedMessage(f"wire version {version!r}, this ktrig speaks {VERSION}")
        for key in _INTEGERS:
            if type(content[key]) is not int or not 0 <= content[key] <= MAX_INTEGER:
                raise MalformedMessage(f"{key} is not a whole number from 0 to 2^63 - 1")
        if content["epoch"] > MAX_EPOCH:
            raise MalformedMessage("no epoch would be left")
        reader = content["reader"]
        if type(reader) is not str or not reader.isprintable() or not 0 < len(reader) <= MAX_NAME_CHARACTERS:
            raise MalformedMessage("reader is not a name")
        if type(content["resume"]) is not bool or content["credit"] == 0:
            raise MalformedMessage("resume is not true or false, or there is no credit")
        return cls(**content)
