"""Links for tests: messages of a size, a receiver in a thread, a stranger at its socket."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import zmq
from replay_cases import LIMIT_S

from streams.wire.endpoint import FRAME_BYTES, Stopped
from streams.wire.message import Message
from streams.wire.receiver import Receiver
from streams.wire.sender import Sender

Context = zmq.Context[Any]

LIMIT_MS = int(LIMIT_S * 1000)


def of_size(n_bytes: int, number: int = 0) -> Message:
    """A message whose array has this size and is filled with the number."""
    return Message("x", first_frame=number, arrays={"a": np.full(n_bytes, number % 256, np.uint8)})


def cost(message: Message) -> int:
    """What a message takes of the credit."""
    return sum(len(frame) + FRAME_BYTES for frame in message.encode())


def never() -> bool:
    return False


def send(sender: Sender, *sizes: int) -> None:
    """Send a message of each size."""
    for size in sizes:
        sender.send(of_size(size))


def send_and_drain(sender: Sender, *sizes: int) -> None:
    """Send a message of each size and wait until all are acknowledged."""
    send(sender, *sizes)
    sender.drain()


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
    """A receiver in a thread that keeps what comes until `last`; it acknowledges while `acknowledging`."""

    def __init__(
        self, context: Context, endpoint: str, credit_bytes: int, acknowledging: bool = True
    ) -> None:
        self.messages: list[Message] = []
        self.stop = threading.Event()
        self.receiver = Receiver(context, endpoint, self.stop.is_set, credit_bytes)
        self.acknowledging = acknowledging
        self._thread = InThread(self._run)

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
    """A `stop` that says so after being asked this often in a row without `reset`."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._asked = 0

    def __call__(self) -> bool:
        self._asked += 1
        return self._asked > self._times

    def reset(self) -> None:
        self._asked = 0


def stranger(context: Context, endpoint: str) -> zmq.Socket[Any]:
    """A peer that is no sender of ours."""
    dealer: zmq.Socket[Any] = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect(endpoint)
    return dealer
