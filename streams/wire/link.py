"""A data link: a DEALER that sends, a ROUTER that receives, credit in bytes and acknowledgements between them.

The sender says hello; the receiver grants it credit. The sender never has more unacknowledged bytes under way than
that (one message may exceed it when nothing else is under way), so memory is bounded on both sides and nothing is
dropped: high-water marks are never reached. The receiver acknowledges a message when it is done with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

import msgpack
import zmq

from streams.wire.message import MalformedMessage, Message
from trigger.errors import KtrigError

CREDIT_BYTES: Final = 24 * 1024 * 1024
"""About 15 blocks of nominal NA62, 100 ms."""

HIGH_WATER_MARK: Final = 100_000
"""Messages; only a back-up, since credit is reached first."""

POLL_MS: Final = 200
"""How often a waiting stage looks whether it should stop."""

HELLO: Final = b"hello"
CREDIT: Final = "credit"
ACKNOWLEDGE: Final = "ack"


class LinkError(KtrigError):
    """A link that cannot be made or went away."""


class Stopped(Exception):  # noqa: N818 - it is an order, not an error
    """A stage was told to stop while it waited."""


def _socket(context: zmq.Context[Any], kind: int) -> zmq.Socket[Any]:
    socket: zmq.Socket[Any] = context.socket(kind)
    socket.sndhwm = HIGH_WATER_MARK
    socket.rcvhwm = HIGH_WATER_MARK
    socket.linger = 0
    return socket


class Sender:
    """The sending end; it connects. `stop` is asked between waits and ends them with `Stopped`."""

    def __init__(self, context: zmq.Context[Any], endpoint: str, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._socket = _socket(context, zmq.DEALER)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot connect to {endpoint}: {wrong.strerror}") from None
        self._credit = 0
        self._under_way: dict[int, int] = {}
        self._seq = 0
        self._epoch = 0
        self._socket.send(HELLO)

    def send(self, message: Message) -> None:
        """Send a message when there is credit for it."""
        size = message.n_bytes
        self._take_answers(0)
        while self._credit == 0 or (self._under_way and sum(self._under_way.values()) + size > self._credit):
            self._take_answers(POLL_MS)
        self._under_way[self._seq] = size
        # Copied by ZeroMQ: the arrays are buffers that their owner is about to fill again.
        self._socket.send_multipart(message.numbered(self._epoch, self._seq).encode(), copy=True)
        self._seq += 1

    def drain(self) -> None:
        """Wait until everything sent is acknowledged."""
        while self._under_way:
            self._take_answers(POLL_MS)

    def _take_answers(self, timeout_ms: int) -> None:
        if self._stop():
            raise Stopped
        while self._socket.poll(timeout_ms):
            timeout_ms = 0
            answer = msgpack.unpackb(self._socket.recv())
            if CREDIT in answer:
                self._credit = answer[CREDIT]
            else:
                self._under_way.pop(answer[ACKNOWLEDGE], None)

    def close(self) -> None:
        """Close the socket; what is not acknowledged is lost."""
        self._socket.close()


class Receiver:
    """The receiving end; it binds. Frames that are no message of its one sender are counted in `malformed`."""

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        stop: Callable[[], bool],
        credit_bytes: int = CREDIT_BYTES,
    ) -> None:
        self._stop = stop
        self._credit_bytes = credit_bytes
        self._socket = _socket(context, zmq.ROUTER)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot listen at {endpoint}: {wrong.strerror}; choose another") from None
        self._peer: bytes | None = None
        self._expected = 0
        self.malformed = 0
        self.missing = 0

    def receive(self) -> Message:
        """Wait for the next message. Raises Stopped when told to."""
        while True:
            while not self._socket.poll(POLL_MS):
                if self._stop():
                    raise Stopped
            if self._stop():
                raise Stopped
            with contextlib.suppress(MalformedMessage):
                message = self._take([f.buffer for f in self._socket.recv_multipart(copy=False)])
                if message is not None:
                    return message
                continue
            self.malformed += 1

    def _take(self, frames: list[memoryview]) -> Message | None:
        peer, content = bytes(frames[0]), frames[1:]
        if len(content) == 1 and bytes(content[0][: len(HELLO) + 1]) == HELLO:
            if self._peer is None:
                self._peer = peer
                self._answer({CREDIT: self._credit_bytes})
            return None
        if peer != self._peer:
            raise MalformedMessage("not from the sender that said hello first")
        message = Message.decode(content)
        self.missing += max(message.seq - self._expected, 0)
        self._expected = message.seq + 1
        return message

    def acknowledge(self, message: Message) -> None:
        """Say that a message is dealt with; its memory may go, and its credit returns to the sender."""
        self._answer({ACKNOWLEDGE: message.seq})

    def _answer(self, content: dict[str, int]) -> None:
        if self._peer is not None:
            self._socket.send_multipart([self._peer, msgpack.packb(content)])

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
