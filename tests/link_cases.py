"""Links for tests: messages of a size, senders and receivers in threads, and both ends as a fake speaks them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import zmq
from replay_cases import LIMIT_S, wait_until

from streams.wire.endpoint import FRAME_BYTES, LinkError, Stopped
from streams.wire.grant import Grant
from streams.wire.message import Message
from streams.wire.receiver import Receiver
from streams.wire.sender import Sender

Context = zmq.Context[Any]

LIMIT_MS = int(LIMIT_S * 1000)

PLENTY = 10**7
"""More credit than any test here needs."""


def of_size(n_bytes: int, number: int = 0) -> Message:
    """A message whose array has this size and is filled with the number."""
    return Message("x", first_frame=number, arrays={"a": np.full(n_bytes, number % 256, np.uint8)})


def cost(message: Message) -> int:
    """What a message takes of the credit, with an epoch as senders of today number them."""
    epoch = time.monotonic_ns() // 1_000_000
    return sum(len(frame) + FRAME_BYTES for frame in message.numbered(epoch, 0).encode())


def never() -> bool:
    return False


def started_anew(context: Context, endpoint: str, stop: Callable[[], bool] = never) -> Sender:
    """A sender at an endpoint that ZeroMQ may not have left yet since its predecessor was closed."""

    def attempt() -> Sender | None:
        try:
            return Sender(context, endpoint, stop)
        except LinkError:
            return None

    made: Sender = wait_until(attempt)
    return made


def play(sender: Sender, *sizes: int) -> None:
    """Send a message of each size, in an epoch of their own, and wait until all are dealt with."""
    send(sender, *sizes)
    sender.drain()


def send(sender: Sender, *sizes: int) -> None:
    """Send a message of each size, in an epoch of their own."""
    sender.wait_for_readers()
    sender.begin(of_size(sizes[0]))
    for number, size in enumerate(sizes[1:], start=1):
        sender.send(of_size(size, number))


def serve_until(sender: Sender, condition: Callable[[], Any]) -> None:
    """Let a sender hear its readers until something is so."""

    def attempt() -> Any:
        sender.service()
        return condition()

    wait_until(attempt)


class InThread:
    """A function in a thread; its result, or what it raised, on `result`."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._outcome: list[Any] = []
        self._raised: list[BaseException] = []

        def run() -> None:
            try:
                self._outcome.append(function())
            except BaseException as wrong:
                self._raised.append(wrong)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(LIMIT_S)
        assert not self.running, "it does not end"
        if self._raised:
            raise self._raised[0]
        return self._outcome[0]


class Collector:
    """A receiver in a thread that keeps what comes until it is closed; it acknowledges while `acknowledging`."""

    def __init__(
        self,
        context: Context,
        endpoint: str,
        credit: int = PLENTY,
        name: str = "r",
        acknowledging: bool = True,
    ) -> None:
        self.messages: list[Message] = []
        self.stop = threading.Event()
        self.receiver = Receiver(context, endpoint, self.stop.is_set, name, credit)
        self.acknowledging = acknowledging
        self._thread = InThread(self._run)

    @property
    def counts(self) -> Any:
        return self.receiver.counts

    def of_last_epoch(self) -> list[Message]:
        """What came since the last message 0."""
        starts = [i for i, message in enumerate(self.messages) if message.seq == 0]
        return self.messages[starts[-1] :] if starts else []

    def _run(self) -> None:
        with closing(self.receiver):
            while True:
                try:
                    message = self.receiver.receive()
                except Stopped:
                    return
                self.messages.append(message)
                if self.acknowledging:
                    self.receiver.acknowledge(message)

    def close(self) -> None:
        self.stop.set()
        self._thread.result()


class Patience:
    """A `stop` that says so after being asked this often without `reset`."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._asked = 0

    def __call__(self) -> bool:
        self._asked += 1
        return self._asked > self._times

    def reset(self) -> None:
        self._asked = 0


class FakeReader:
    """A reader that says and reads what a test wants."""

    def __init__(self, context: Context, endpoint: str, name: str = "r", instance: int = 1) -> None:
        self._dealer: zmq.Socket[Any] = context.socket(zmq.DEALER)
        self._dealer.linger = 0
        self._dealer.sndhwm = 0
        self._dealer.connect(endpoint)
        self.grant = Grant(name, instance, PLENTY)

    def say(self, **changes: Any) -> None:
        """Send the grant with these changes, which last; `resume` does not."""
        self.grant = replace(self.grant, **changes)
        self.send(self.grant.encode())
        self.grant = replace(self.grant, resume=False)

    def send(self, *frames: bytes) -> None:
        self._dealer.send_multipart(frames)

    def read(self) -> Message:
        assert self._dealer.poll(LIMIT_MS), "nothing comes"
        return Message.decode(self._dealer.recv_multipart())

    def waiting(self) -> list[Message]:
        """What has come and was not read."""
        found = []
        while self._dealer.poll(20):
            found.append(Message.decode(self._dealer.recv_multipart()))
        return found

    def close(self) -> None:
        self._dealer.close()


class FakeSender:
    """A sender that sends what a test wants to the reader that spoke last."""

    def __init__(self, context: Context, endpoint: str) -> None:
        self._router: zmq.Socket[Any] = context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.sndhwm = 0
        self._router.bind(endpoint)
        self._peer = b""

    def hear(self) -> Grant:
        """Wait for a grant."""
        assert self._router.poll(LIMIT_MS), "no grant comes"
        self._peer, *frames = self._router.recv_multipart()
        return Grant.decode(frames)

    def hear_until(self, wanted: Callable[[Grant], bool]) -> Grant:
        """Wait for a grant like this."""
        deadline = time.monotonic() + LIMIT_S
        while not wanted(grant := self.hear()):
            assert time.monotonic() < deadline, "no such grant comes"
        return grant

    def send(self, message: Message, epoch: int, seq: int) -> None:
        self.send_frames(*map(bytes, message.numbered(epoch, seq).encode()))

    def send_frames(self, *frames: bytes) -> None:
        self._router.send_multipart([self._peer, *frames])

    def close(self) -> None:
        self._router.close()


@contextmanager
def link(
    context: Context, endpoint: str, credit: int = PLENTY, **options: Any
) -> Iterator[tuple[Sender, Collector]]:
    """A sender and a collector that reads from it."""
    with (
        closing(Sender(context, endpoint, never, **options)) as sender,
        closing(Collector(context, endpoint, credit)) as collector,
    ):
        yield sender, collector
