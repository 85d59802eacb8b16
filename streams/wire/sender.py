"""The sending end of a link: a ROUTER that binds, and serves the same messages to one reader or several.

It keeps each message until all its readers have dealt with it, and sends it again to a reader that lost its
connection. A reader never has more bytes under way than it granted (one message may exceed that when nothing else
is), and what is kept is bounded as well: memory is bounded on both sides, and nothing is dropped.

Messages are numbered (epoch, seq). An epoch is one attempt to deliver a spill: `begin` opens it, and a reader that
was started anew in the middle of one ends it (`ReaderRestarted`): the spill must then be sent again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import zmq

from streams.wire.endpoint import (
    CREDIT_BYTES,
    FRAME_BYTES,
    POLL_MS,
    LinkError,
    Stopped,
    listen,
    make_socket,
)
from streams.wire.grant import Grant
from streams.wire.message import Buffer, MalformedMessage, Message
from streams.wire.state import LinkState

MAX_FRAME_BYTES: Final = 4 * 1024
"""Of what strangers may send us; more, and their connection is cut. A grant is shorter by far."""

STRANGER_MESSAGES: Final = 1000
"""Messages of one peer that may wait in ZeroMQ for us to look at them; then it waits, and its connection is cut when
the heartbeat cannot be heard any more: grants must be heard more often than this many are said (50 s)."""

GRANTS_AT_ONCE: Final = 1000
"""Grants, or garbage, that are looked at before we go on with sending."""

MAX_WAITING: Final = 16
"""Readers that may wait for the next spill."""

WAITING_S: Final = 1.0
"""A reader that waits and has said nothing for this long is gone."""

MAX_RESUMES: Final = 10
"""How often we go back for a reader that does not come further: it may ask without reading what we send."""

MAX_REPLACED: Final = 64
"""Receivers that were replaced and whose late grants we know."""

READER_PATIENCE_S: Final = 60.0
"""How long a reader outside ktrig may be silent while we wait for it."""


class ReaderRestarted(Exception):  # noqa: N818 - it is what happened; the spill is sent again
    """A reader was started anew in the middle of a spill."""


@dataclass
class _Kept:
    message: Message
    frames: list[Buffer]
    size: int


@dataclass
class _Reader:
    """A reader as its last grant described it.

    address: of its connection, None if that is gone; former: of the one before. sent: messages of this epoch handed
    to ZeroMQ for it; highest: the most that ever were. under_way: bytes sent and not dealt with; stale: of what was
    sent on this connection before we went back, and may still lie in it. resumed: times that we went back since it
    last came further.
    """

    grant: Grant
    address: bytes | None
    heard_s: float
    former: bytes | None = None
    next: int = 0
    sent: int = 0
    highest: int = 0
    under_way: int = 0
    stale: int = 0
    resumed: int = 0

    def go_back(self, connected: bool) -> None:
        """Send again what is not dealt with; what is under way on a connection that lasts may still arrive."""
        self.stale = self.stale + self.under_way if connected else 0
        self.sent, self.under_way = self.next, 0

    def has_room_for(self, size: int) -> bool:
        """Whether it would take a message: one in any case, more within its credit, with what is stale within two."""
        wanted = self.under_way + size
        return not self.under_way or (
            wanted <= self.grant.credit and wanted + self.stale <= 2 * self.grant.credit
        )


class Sender:
    """The sending end. `stop` is asked while it waits and ends the wait with Stopped; it may be replaced.

    readers: how many to wait for; one that comes when they are there waits for the next spill. window_bytes: of
    messages kept. patience_s: how long to wait for a reader that says nothing.
    endpoint: where it listens, with the port if the system chose. counts: see LinkState.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        stop: Callable[[], bool],
        readers: int = 1,
        window_bytes: int = CREDIT_BYTES,
        patience_s: float | None = None,
    ) -> None:
        self.stop = stop
        self.counts = LinkState()
        self._wanted = readers
        self._window = window_bytes
        self._patience_s = patience_s
        self._socket = make_socket(context, zmq.ROUTER, MAX_FRAME_BYTES)
        self._socket.rcvhwm = STRANGER_MESSAGES
        # A reader that is gone shows when we send to it.
        self._socket.router_mandatory = True
        self.endpoint = listen(self._socket, endpoint)
        self._readers: dict[str, _Reader] = {}
        self._waiting: dict[str, _Reader] = {}
        self._replaced: deque[int] = deque(maxlen=MAX_REPLACED)
        self._restarted = ""
        self._open = False
        # Higher than those of a sender that was here before: what it sent may still lie unread at a reader, whose
        # grants do not tell of it yet. Nobody opens one in less than a millisecond.
        self._epoch = time.monotonic_ns() // 1_000_000
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._first = 0
        """Number of the first message kept."""

    # What a caller may ask.

    def state(self) -> LinkState:
        """Return the counts, what is queued, and the credit left of the reader that has the least."""
        left = min((r.grant.credit - r.under_way for r in self._readers.values()), default=0)
        return replace(
            self.counts,
            queued_messages=len(self._kept),
            queued_bytes=self._kept_bytes,
            credit_bytes=max(left, 0),
        )

    @property
    def undelivered(self) -> list[Message]:
        """Messages that were taken and that not all readers have dealt with."""
        return [kept.message for kept in self._kept]

    @property
    def readers(self) -> list[str]:
        """Names of the readers that are served."""
        return list(self._readers)

    # Sending.

    def wait_for_readers(self) -> None:
        """Wait until all readers are there. Raises Stopped."""
        while len(self._readers) < self._wanted:
            self._turn(POLL_MS)
            self._let_in(self._wanted)

    def begin(self, message: Message) -> None:
        """Open a new epoch with the first message of a spill, for all readers that are there or wait.

        What is still kept of the epoch before is let go. Raises as `send`.
        """
        self._open = False
        self._turn(0)
        self._let_in(len(self._readers) + MAX_WAITING)
        self._epoch = 1 + max([self._epoch, *(r.grant.epoch for r in self._readers.values())])
        self._let_go()
        for r in self._readers.values():
            r.next = r.highest = r.resumed = 0
            r.go_back(connected=True)
        self._open = True
        self.send(message)

    def send(self, message: Message) -> None:
        """Take a message when there is room for it. Raises MessageTooLong, Stopped, ReaderRestarted, LinkError.

        Its arrays must not change before they are dealt with: they are sent from where they are. A message that
        raises was not taken.
        """
        seq = self._first + len(self._kept)
        frames = message.numbered(self._epoch, seq).encode()
        size = sum(len(frame) + FRAME_BYTES for frame in frames)
        self._turn(0)
        while self._kept and self._kept_bytes + size > self._window:
            self._turn(POLL_MS)
        self._kept.append(_Kept(message, frames, size))
        self._kept_bytes += size
        for r in self._readers.values():
            self._push(r)

    def _let_go(self) -> None:
        """Forget what is kept: its epoch is over."""
        self._kept.clear()
        self._kept_bytes = self._first = 0

    def drain(self) -> None:
        """Wait until all is dealt with, and close the epoch."""
        while self._kept:
            self._turn(POLL_MS)
        self._open = False

    def service(self) -> None:
        """Deal with what readers say, without waiting. Raises as `send`."""
        self._turn(0)

    def close(self) -> None:
        """Close the socket; what is not dealt with is lost."""
        self._socket.close()

    # What readers say.

    def _turn(self, timeout_ms: int) -> None:
        """Hear what has come, or wait for it; then go on sending."""
        if self.stop():
            raise Stopped
        for _ in range(GRANTS_AT_ONCE):
            if not self._socket.poll(timeout_ms):
                break
            timeout_ms = 0
            address, *frames = self._socket.recv_multipart()
            try:
                self._hear(Grant.decode(frames), address)
            except MalformedMessage:
                self.counts.malformed += 1
        if self._restarted:
            # The epoch is over; said once, or one who listens while the spill is begun again would hear it again.
            restarted, self._restarted, self._open = self._restarted, "", False
            self._let_go()
            raise ReaderRestarted(restarted)
        self._look_for_silence()

    def _hear(self, grant: Grant, address: bytes) -> None:
        """Take a grant. Raises MalformedMessage if it claims what cannot be."""
        if grant.instance in self._replaced:
            self.counts.stale += 1
            return
        reader = self._readers.get(grant.reader)
        if reader is None:
            self._let_wait(_Reader(grant, address, time.monotonic()))
        elif reader.grant.instance != grant.instance:
            self._replaced.append(reader.grant.instance)
            self._readers[grant.reader] = _Reader(grant, address, time.monotonic())
            if self._open:
                self.counts.restarts += 1
                self._restarted = grant.reader
        elif reader.address is not None and address == reader.former:
            # A connection that is gone can have grants left that we read behind those of the new one.
            self.counts.stale += 1
        else:
            self._hear_again(reader, grant, address)

    def _hear_again(self, reader: _Reader, grant: Grant, address: bytes) -> None:
        """Take a grant of a reader that is served."""
        here = self._open and grant.epoch == self._epoch
        if self._open and (grant.epoch > self._epoch or (here and grant.next > reader.highest)):
            raise MalformedMessage(f"{grant.reader} says that it has what was not sent")
        if here and reader.grant.epoch != self._epoch:
            # It has read what came before this epoch.
            reader.stale = 0
        reader.grant, reader.heard_s = grant, time.monotonic()
        if here and grant.next > reader.next:
            self._settle(reader, grant.next)
        if address != reader.address:
            self.counts.reconnections += reader.highest > 0
            reader.former, reader.address, reader.resumed = reader.address, address, 0
            reader.go_back(connected=False)
        elif grant.resume and reader.resumed < MAX_RESUMES:
            reader.go_back(connected=True)
            reader.resumed += 1
        self._push(reader)

    def _let_wait(self, reader: _Reader) -> None:
        """Note a reader that waits; forget those that do no more."""
        self._waiting[reader.grant.reader] = reader
        self._waiting = {
            name: r for name, r in self._waiting.items() if reader.heard_s - r.heard_s <= WAITING_S
        }
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[reader.grant.reader]
            raise MalformedMessage(f"{reader.grant.reader}: too many readers wait")

    def _let_in(self, places: int) -> None:
        """Serve the readers that wait, as far as there are places."""
        now = time.monotonic()
        for name in [*self._waiting][: places - len(self._readers)]:
            reader = self._waiting.pop(name)
            if now - reader.heard_s <= WAITING_S:
                self._readers[name] = reader

    def _settle(self, reader: _Reader, next_seq: int) -> None:
        """Note that a reader has dealt with all before `next_seq`; let go what all have dealt with.

        It may have dealt with what is about to be sent to it again.
        """
        for seq in range(reader.next, next_seq):
            size = self._kept[seq - self._first].size
            reader.stale = max(reader.stale - size, 0)
            reader.under_way -= size if seq < reader.sent else 0
        reader.next, reader.sent, reader.resumed = next_seq, max(reader.sent, next_seq), 0
        done = min(r.next for r in self._readers.values())
        while self._first < done:
            self._kept_bytes -= self._kept.popleft().size
            self._first += 1

    def _push(self, reader: _Reader) -> None:
        """Send a reader what it has credit for; nothing of an epoch that is over or was given up."""
        if not self._open or self._restarted:
            return
        while reader.address is not None and reader.sent < self._first + len(self._kept):
            kept = self._kept[reader.sent - self._first]
            if not reader.has_room_for(kept.size):
                return
            if not self._deliver(reader.address, kept.frames):
                reader.address = None
                return
            reader.under_way += kept.size
            self.counts.redelivered += reader.sent < reader.highest
            reader.sent += 1
            reader.highest = max(reader.highest, reader.sent)

    def _deliver(self, address: bytes, frames: list[Buffer]) -> bool:
        """Hand a message to ZeroMQ; False if the reader's connection is gone."""
        try:
            # Not copied from COPY_THRESHOLD on (64 KiB); copying shorter frames is faster.
            self._socket.send_multipart([address, *frames], copy=False)
        except zmq.ZMQError as wrong:
            if wrong.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def _look_for_silence(self) -> None:
        if self._patience_s is None or not self._open:
            return
        now = time.monotonic()
        for name, r in self._readers.items():
            if r.next < self._first + len(self._kept) and now - r.heard_s > self._patience_s:
                raise LinkError(
                    f"reader {name} has been silent for {self._patience_s:g} s, and {len(self._kept)} messages wait "
                    "for it; start it again, and the replay"
                )
