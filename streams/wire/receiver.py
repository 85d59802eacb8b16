"""The receiving end of a link: a DEALER that connects, grants credit and says how far it has come.

It takes the messages of an epoch once each, in order. What comes twice, too early, or out of an epoch that was given
up is counted and not taken; after a gap the sender is asked to go back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import zmq

from streams.wire.endpoint import CREDIT_BYTES, POLL_MS, LinkError, Stopped, make_socket, reason
from streams.wire.grant import Grant
from streams.wire.message import MAX_MESSAGE_BYTES, Buffer, MalformedMessage, Message
from streams.wire.state import LinkState

LINGER_MS: Final = 1000
"""Time that the last grant gets to leave when a receiver is closed."""

GRANTS_WAITING: Final = 100
"""Grants that may wait for their sender to read them; one more is not sent."""

RESUME_S: Final = 0.2
"""Shortest time between two requests to go back: what is under way meanwhile comes out of order."""

MAX_REFUSALS: Final = 5
"""How often a message is asked for again because its content is malformed; then it is what was sent."""


class Receiver:
    """The receiving end. `stop` is asked while it waits and ends the wait with Stopped.

    name: its place in the flow; a receiver that takes the place of one that died has its name. beside: a socket that
    wakes it too, for `stop` to look at. counts: see LinkState.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        stop: Callable[[], bool],
        name: str,
        credit_bytes: int = CREDIT_BYTES,
        beside: zmq.Socket[Any] | None = None,
    ) -> None:
        self.counts = LinkState()
        self._stop = stop
        self._name = name
        self._credit = credit_bytes
        self._instance = secrets.randbits(63)
        self._epoch = 0
        self._expected = 0
        self._done = 0
        self._lacks = False
        """Whether a message that came is not what it should be, and the right one has not come yet."""
        self._asked_s = self._said_s = 0.0
        self._refused = 0
        self._socket = make_socket(context, zmq.DEALER, MAX_MESSAGE_BYTES)
        self._socket.linger = LINGER_MS
        self._socket.sndhwm = GRANTS_WAITING
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot connect to {endpoint}: {reason(wrong)}") from None
        self._poller = zmq.Poller()
        for socket in [self._socket] if beside is None else [self._socket, beside]:
            self._poller.register(socket, zmq.POLLIN)
        self._grant()

    def receive(self) -> Message:
        """Wait for the next message. Raises Stopped when told to.

        The first message of an epoch is number 0; after one that was given up it can come at any time.
        """
        while True:
            if self._stop():
                raise Stopped
            if self._socket not in dict(self._poller.poll(POLL_MS)):
                # What wakes us beside it may do so all the time: the sender must hear from us nevertheless.
                silent = time.monotonic() - self._said_s >= POLL_MS / 1000
                if silent and not (self._lacks and self._ask_to_resume()):
                    self._grant()
                continue
            message = self._take([frame.buffer for frame in self._socket.recv_multipart(copy=False)])
            if message is not None:
                return message

    def _take(self, frames: Sequence[Buffer]) -> Message | None:
        """Return the message if it is the next one; count it if it is not."""
        try:
            message = Message.decode(frames)
        except MalformedMessage:
            # It may have been the one that we wait for.
            self.counts.malformed += 1
            self._ask_to_resume()
            return None
        if message.epoch < self._epoch or message.epoch == 0:
            self.counts.stale += 1
            return None
        if message.epoch > self._epoch and message.seq == 0:
            self._epoch, self._expected, self._done = message.epoch, 0, 0
        if message.epoch > self._epoch or message.seq > self._expected:
            self.counts.out_of_order += 1
            self._ask_to_resume()
            return None
        if message.seq < self._expected:
            self.counts.duplicates += 1
            self._grant()
            return None
        self._expected += 1
        self._lacks = False
        return message

    def acknowledge(self, message: Message) -> None:
        """Say that this message and all before it are dealt with; their credit returns to the sender."""
        if message.epoch == self._epoch:
            self._done = max(self._done, message.seq + 1)
            self._refused = 0
            self._grant()

    def refuse(self, message: Message, wrong: MalformedMessage) -> None:
        """Count the last message, whose content is malformed, and ask for it again; raise `wrong` if it stays so."""
        self.counts.malformed += 1
        self._refused += 1
        if self._refused == MAX_REFUSALS:
            raise wrong
        self._expected = message.seq
        self._ask_to_resume()

    def _ask_to_resume(self) -> bool:
        """Ask the sender to go back, unless we did just now: then again if the right message does not come."""
        self._lacks = True
        now = time.monotonic()
        if now - self._asked_s < RESUME_S:
            return False
        self._asked_s = now
        self._grant(resume=True)
        return True

    def _grant(self, resume: bool = False) -> None:
        self._said_s = time.monotonic()
        grant = Grant(self._name, self._instance, self._credit, self._epoch, self._done, resume)
        try:
            self._socket.send(grant.encode(), zmq.NOBLOCK)
        except zmq.Again:
            return  # The sender does not read; the next one says it all again.

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
