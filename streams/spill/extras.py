"""What a spill file holds beside primitives, block by block: hits and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trigger.frames import FrameStream
from trigger.records import RecordStream


@dataclass(frozen=True)
class SpillExtras:
    """Hits by detector and records by kind (a place of `records.KINDS`), all over the frames of one block."""

    hits: Mapping[str, FrameStream] = field(default_factory=dict)
    records: Mapping[str, RecordStream] = field(default_factory=dict)
