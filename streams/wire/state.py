"""What a user may want to know of a link; counted on both ends."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import Field

from streams.wire.message import MAX_INTEGER

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGER)]


@dataclass
class LinkState:
    """The state of one link, as its sending or its receiving end knows it; those of both ends add up to the link's.

    malformed: what is no message, or no grant, of this link. redelivered: messages sent once more after a connection
    was lost. duplicates: messages that came once more. out_of_order: messages that came before one that was still to
    come. stale: messages of an epoch that was given up, grants of a receiver that was replaced. reconnections:
    connections after the first. restarts: receivers that began anew in a spill.

    queued_messages, queued_bytes: kept by the sender until they are dealt with. credit_bytes: what the slowest reader
    would still take at once.
    """

    malformed: Count = 0
    redelivered: Count = 0
    duplicates: Count = 0
    out_of_order: Count = 0
    stale: Count = 0
    reconnections: Count = 0
    restarts: Count = 0
    queued_messages: Count = 0
    queued_bytes: Count = 0
    credit_bytes: Count = 0

    def __add__(self, other: LinkState) -> LinkState:
        return LinkState(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))
