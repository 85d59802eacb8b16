"""Snapshots of the monitors for live clients: the file's own JSON, sent at the end of each spill."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import zmq

from streams.monitors.snapshot import Snapshot
from streams.monitors.snapshot_file import snapshot_text
from streams.wire.broadcast import Publisher
from streams.wire.message import Message

KIND: Final = "snapshot"


class SnapshotPublisher:
    """Sends snapshots to whoever listens. Raises LinkError if it cannot listen."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        self._publisher = Publisher(context, endpoint)

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot: its text as the array `text`, uint8[n] of UTF-8."""
        text = np.frombuffer(snapshot_text(snapshot).encode(), np.uint8)
        body = {"spills": snapshot.spills}
        self._publisher.publish(Message(KIND, menu=snapshot.menu_hash, body=body, arrays={"text": text}))

    def close(self) -> None:
        """Stop listening."""
        self._publisher.close()
