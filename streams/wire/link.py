"""A data link: a DEALER that sends, a ROUTER that receives, credit in bytes and acknowledgements between them.

The sender says hello; the receiver grants it credit. The sender never has more unacknowledged bytes under way than
that (one message may exceed it when nothing else is under way), so memory is bounded on both sides and nothing is
dropped. The receiver acknowledges a message when it is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack
import zmq

from streams.wire.message import MAX_INTEGER, MAX_MESSAGE_BYTES, MalformedMessage, Message
from trigger.errors import KtrigError

CREDIT_BYTES: Final = 24 * 1024 * 1024
"""About 15 blocks of nominal NA62, 100 ms."""

FRAME_BYTES: Final = 64
"""What ZeroMQ keeps for a frame beside its content (zmq_msg_t): credit counts it, so that small messages cost too."""

STRANGER_MESSAGES: Final = 1000
"""Messages that may wait in ZeroMQ for the receiver to look at them; then their sender waits."""

MAX_ANSWER_BYTES: Final = 1024

LINGER_MS: Final = 1000
"""Time that the last acknowledgements get to leave when a receiver is closed."""

POLL_MS: Final = 200
"""How often a waiting stage looks whether it should stop."""

HELLO: Final = b"hello"
CREDIT: Final = "credit"
ACKNOWLEDGE: Final = "ack"


class LinkError(KtrigError):
    """A link that cannot be made or went away."""


class Stopped(Exception):  # noqa: N818 - it is an order, not an error
    """A stage was told to stop while it waited."""


def _socket(context: zmq.Context[Any], kind: int, max_frame_bytes: int) -> zmq.Socket[Any]:
    """Make a socket that drops nothing: credit is the limit, and high-water marks (0: none) would hide its errors."""
    socket: zmq.Socket[Any] = context.socket(kind)
    socket.sndhwm = socket.rcvhwm = 0
    socket.maxmsgsize = max_frame_bytes
    socket.linger = 0
    return socket


def _reason(wrong: zmq.ZMQError) -> str:
    """What the system says, without the address that pyzmq adds to it."""
    return zmq.strerror(wrong.errno or 0)


class Sender:
    """The sending end; it connects. `stop` is asked between waits and ends them with `Stopped`.

    Answers that are none are counted in `malformed`.
    """

    def __init__(self, context: zmq.Context[Any], endpoint: str, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._socket = _socket(context, zmq.DEALER, MAX_ANSWER_BYTES)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot connect to {endpoint}: {_reason(wrong)}") from None
        self._credit = 0
        self._sizes: dict[int, int] = {}
        self._under_way = 0
        self._seq = 0
        self._epoch = 0
        self.malformed = 0
        self._socket.send(HELLO)

    def send(self, message: Message) -> None:
        """Send a message when there is credit for it. Raises MessageTooLong."""
        frames = message.numbered(self._epoch, self._seq).encode()
        size = sum(len(frame) + FRAME_BYTES for frame in frames)
        self._take_answers(0)
        while self._credit == 0 or (self._sizes and self._under_way + size > self._credit):
            self._take_answers(POLL_MS)
        self._sizes[self._seq] = size
        self._under_way += size
        self._seq += 1
        # Copied by ZeroMQ: the arrays are buffers that their owner is about to fill again.
        self._socket.send_multipart(frames, copy=True)

    def drain(self) -> None:
        """Wait until everything sent is acknowledged."""
        while self._sizes:
            self._take_answers(POLL_MS)

    def _take_answers(self, timeout_ms: int) -> None:
        if self._stop():
            raise Stopped
        while self._socket.poll(timeout_ms):
            timeout_ms = 0
            match _read_answer(self._socket.recv_multipart()):
                case (str(kind), int(credit)) if kind == CREDIT:
                    self._credit = credit
                case (str(kind), int(seq)) if kind == ACKNOWLEDGE and seq in self._sizes:
                    self._under_way -= self._sizes.pop(seq)
                case _:
                    self.malformed += 1

    def close(self) -> None:
        """Close the socket; what is not acknowledged is lost."""
        self._socket.close()


def _read_answer(frames: list[bytes]) -> tuple[str, int] | None:
    """Return what an answer says and its number, or None if it is no answer."""
    try:
        answer = msgpack.unpackb(frames[0])
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError):
        return None
    if len(frames) != 1 or not isinstance(answer, dict) or len(answer) != 1:
        return None
    ((kind, number),) = answer.items()
    return (kind, number) if type(number) is int and 0 <= number <= MAX_INTEGER else None


class Receiver:
    """The receiving end; it binds. What is no message of its one sender, in order, is counted in `malformed`.

    missing: messages that were sent and never came. endpoint: where it listens, with the port if the system chose.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        stop: Callable[[], bool],
        credit_bytes: int = CREDIT_BYTES,
    ) -> None:
        self._stop = stop
        self._credit_bytes = credit_bytes
        self._socket = _socket(context, zmq.ROUTER, MAX_MESSAGE_BYTES)
        self._socket.rcvhwm = STRANGER_MESSAGES
        self._socket.linger = LINGER_MS
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot listen at {endpoint}: {_reason(wrong)}; choose another") from None
        self.endpoint: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
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
            try:
                message = self._take([f.buffer for f in self._socket.recv_multipart(copy=False)])
            except MalformedMessage:
                self.malformed += 1
                continue
            if message is not None:
                return message

    def _take(self, frames: list[memoryview]) -> Message | None:
        peer, content = bytes(frames[0]), frames[1:]
        if self._peer is None and len(content) == 1 and content[0] == memoryview(HELLO):
            self._peer = peer
            self._answer({CREDIT: self._credit_bytes})
            return None
        if peer != self._peer:
            raise MalformedMessage("not from the sender that said hello first")
        message = Message.decode(content)
        if message.seq < self._expected:
            raise MalformedMessage(f"message {message.seq} has come before")
        self.missing += message.seq - self._expected
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
