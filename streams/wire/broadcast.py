"""Messages to whoever wants to look: latest wins, nobody is waited for, and gaps show in the numbers.

A PUB socket drops what a slow reader does not take. Each message has the next `seq`, so that a reader knows how many
it has missed; `epoch` is another one for each publisher, so that a new one is no gap.
"""

from __future__ import annotations

import time
from typing import Any, Final

import zmq

from streams.wire.endpoint import LinkError, check_endpoint, listen, make_socket, reason
from streams.wire.message import MAX_MESSAGE_BYTES, MalformedMessage, Message

MOST_QUEUED: Final = 4
"""Messages that are kept for a reader; what comes on top is dropped."""

LINGER_MS: Final = 500
"""Time for the last message to leave when the publisher is closed."""


class Publisher:
    """Sends messages to all readers there are. endpoint: where it listens, with the port if the system chose."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        """Listen. Raises LinkError if it cannot, or the endpoint is not on this host."""
        check_endpoint(endpoint)
        self._socket = make_socket(context, zmq.PUB, MAX_MESSAGE_BYTES)
        self._socket.sndhwm = MOST_QUEUED
        self._socket.linger = LINGER_MS
        self.endpoint = listen(self._socket, endpoint)
        self._epoch = time.monotonic_ns() // 1_000_000
        self._seq = 0

    def publish(self, message: Message) -> None:
        """Send a message, or drop it for those who do not take it."""
        self._socket.send_multipart(message.numbered(self._epoch, self._seq).encode(), copy=True)
        self._seq += 1

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


class Subscriber:
    """Reads what a publisher sends. missed: messages that did not come; malformed: those that are none of ours."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        """Connect; the publisher may come later. Raises LinkError."""
        self._socket = make_socket(context, zmq.SUB, MAX_MESSAGE_BYTES)
        self._socket.rcvhwm = MOST_QUEUED
        self._socket.subscribe(b"")
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot connect to {endpoint}: {reason(wrong)}") from None
        self.missed = self.malformed = 0
        self._next: tuple[int, int] | None = None

    def latest(self, timeout_ms: int) -> Message | None:
        """Return the newest message that is there, waiting for one if there is none; None if none comes in time."""
        found: Message | None = None
        while self._socket.poll(timeout_ms if found is None else 0):
            try:
                message = Message.decode([f.buffer for f in self._socket.recv_multipart(copy=False)])
            except MalformedMessage:
                self.malformed += 1
                continue
            if self._next is not None and message.epoch == self._next[0]:
                self.missed += message.seq - self._next[1]
            self._next = message.epoch, message.seq + 1
            found = message
        return found

    def close(self) -> None:
        """Leave."""
        self._socket.close()
