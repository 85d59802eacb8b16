"""Links: credit bounds what is under way, nothing is lost or out of order, and garbage disturbs no one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import LIMIT_S, wait_until, zmq_context

from streams.wire import link
from streams.wire.link import ACKNOWLEDGE, CREDIT, FRAME_BYTES, HELLO, LinkError, Receiver, Sender, Stopped
from streams.wire.message import Message, MessageTooLong

Context = zmq.Context[Any]

LIMIT_MS = int(LIMIT_S * 1000)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let links look more often whether to stop."""
    monkeypatch.setattr(link, "POLL_MS", 20)


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


@pytest.fixture
def context() -> Iterator[Context]:
    with zmq_context() as made:
        yield made


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/link"


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


def test_messages_come_once_each_in_order_and_whole(context: Context, endpoint: str) -> None:
    with (
        closing(Collector(context, endpoint, 10_000)) as collector,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        for i in range(500):
            sender.send(of_size(i, i))
        sender.drain()
        assert [message.seq for message in collector.messages] == [*range(500)]
        for i, message in enumerate(collector.messages):
            assert (message.first_frame, message.arrays["a"].tobytes()) == (i, bytes([i % 256]) * i)
    assert (collector.receiver.missing, collector.receiver.malformed, sender.malformed) == (0, 0, 0)


def test_a_buffer_may_be_filled_again_once_it_is_sent(context: Context, endpoint: str) -> None:
    buffer = np.zeros(1000, np.uint8)
    with (
        closing(Collector(context, endpoint, 10**6)) as collector,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        for i in range(100):
            buffer[:] = i
            sender.send(Message("x", arrays={"a": buffer}))
        sender.drain()
        assert [set(message.arrays["a"]) for message in collector.messages] == [{i} for i in range(100)]


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


@pytest.mark.parametrize("n_bytes", [0, 100, 10_000])
def test_a_receiver_that_does_not_acknowledge_stops_its_sender_at_the_credit(
    context: Context, endpoint: str, n_bytes: int
) -> None:
    credit = 10 * cost(of_size(n_bytes)) + 5
    patience = Patience(3)
    with (
        closing(Collector(context, endpoint, credit, acknowledging=False)) as collector,
        closing(Sender(context, endpoint, patience)) as sender,
    ):
        for _ in range(10):
            patience.reset()
            sender.send(of_size(n_bytes))
        wait_until(lambda: len(collector.messages) == 10)
        patience.reset()
        with pytest.raises(Stopped):
            sender.send(of_size(n_bytes))


def test_an_acknowledgement_gives_its_credit_back(context: Context, endpoint: str) -> None:
    message = of_size(1000)
    with (
        closing(Receiver(context, endpoint, never, 2 * cost(message))) as receiver,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        sending = InThread(lambda: send(sender, 1000, 1000, 1000))
        first, second = receiver.receive(), receiver.receive()
        assert sending.running
        receiver.acknowledge(second)
        assert receiver.receive().seq == 2
        sending.result()
        receiver.acknowledge(first)


def test_a_message_larger_than_the_credit_passes_alone(context: Context, endpoint: str) -> None:
    with (
        closing(Receiver(context, endpoint, never, 1000)) as receiver,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        sending = InThread(lambda: send(sender, 10, 100_000, 10))
        for seq in range(3):
            message = receiver.receive()
            assert message.seq == seq
            assert sending.running or seq == 2
            receiver.acknowledge(message)
        sending.result()


def test_a_message_that_no_receiver_would_take_is_refused_and_the_link_goes_on(
    context: Context, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        closing(Collector(context, endpoint, 10**6)) as collector,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        with monkeypatch.context() as patch:
            patch.setattr("streams.wire.message.MAX_MESSAGE_BYTES", 1000)
            with pytest.raises(MessageTooLong):
                sender.send(of_size(1001))
        sender.send(of_size(1))
        sender.drain()
        assert [message.seq for message in collector.messages] == [0]


def test_drain_waits_for_the_last_acknowledgement(context: Context, endpoint: str) -> None:
    with (
        closing(Receiver(context, endpoint, never)) as receiver,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        draining = InThread(lambda: send_and_drain(sender, 1, 1))
        messages = [receiver.receive(), receiver.receive()]
        receiver.acknowledge(messages[1])
        assert draining.running
        receiver.acknowledge(messages[0])
        draining.result()


@pytest.mark.parametrize("last", ["send", "drain"])
def test_a_stop_ends_a_sender_without_a_receiver(context: Context, endpoint: str, last: str) -> None:
    stop = threading.Event()
    with closing(Sender(context, endpoint, stop.is_set)) as sender:
        if last == "drain":
            sender._sizes[0] = 1
        blocked = InThread(sender.drain if last == "drain" else lambda: send(sender, 1))
        stop.set()
        with pytest.raises(Stopped):
            blocked.result()


def test_a_stop_ends_a_receiver_without_a_sender(context: Context, endpoint: str) -> None:
    stop = threading.Event()
    with closing(Receiver(context, endpoint, stop.is_set)) as receiver:
        blocked = InThread(receiver.receive)
        stop.set()
        with pytest.raises(Stopped):
            blocked.result()


def test_a_stop_ends_a_receiver_under_a_flood(context: Context, endpoint: str) -> None:
    with (
        closing(Receiver(context, endpoint, Patience(20))) as receiver,
        closing(stranger(context, endpoint)) as dealer,
    ):
        for _ in range(100):
            dealer.send(b"flood")
        with pytest.raises(Stopped):
            InThread(receiver.receive).result()
    assert receiver.malformed == 20


def stranger(context: Context, endpoint: str) -> zmq.Socket[Any]:
    """A peer that is no sender of ours."""
    dealer: zmq.Socket[Any] = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect(endpoint)
    return dealer


GARBAGE: list[list[bytes]] = [
    [b""],
    [HELLO],
    [HELLO + b"!"],
    [b"", HELLO],
    [b"\xc1"],
    [msgpack.packb({ACKNOWLEDGE: 0})],
    [b"x" * 100_000, b"y"],
    [bytes(frame) for frame in of_size(10).encode()],
    [bytes(frame) for frame in of_size(10).numbered(0, 1000).encode()],
]


def test_garbage_and_a_second_sender_are_counted_and_disturb_nothing(context: Context, endpoint: str) -> None:
    with (
        closing(Collector(context, endpoint, 5_000)) as collector,
        closing(Sender(context, endpoint, never)) as sender,
        closing(stranger(context, endpoint)) as dealer,
    ):
        sender.send(of_size(100))
        wait_until(lambda: collector.messages)
        for i, frames in enumerate(GARBAGE):
            dealer.send_multipart(frames)
            sender.send(of_size(100, i))
        sender.drain()
        wait_until(lambda: collector.receiver.malformed == len(GARBAGE))
        assert [message.seq for message in collector.messages] == [*range(len(GARBAGE) + 1)]
        assert collector.receiver.missing == 0
        assert not dealer.poll(0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), min_size=1, max_size=20))
def test_random_frames_are_all_counted(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[list[bytes]]
) -> None:
    endpoint = f"ipc://{tmp_path_factory.mktemp('l')}/link"
    with (
        zmq_context() as context,
        closing(Collector(context, endpoint, 1000)) as collector,
        closing(Sender(context, endpoint, never)) as sender,
        closing(stranger(context, endpoint)) as dealer,
    ):
        sender.send(of_size(1))
        wait_until(lambda: collector.messages)
        for frames in garbage:
            dealer.send_multipart(frames)
        wait_until(lambda: collector.receiver.malformed == len(garbage))
        sender.send(of_size(1))
        sender.drain()
        assert len(collector.messages) == 2


def test_a_frame_beyond_the_limit_is_not_even_received(
    context: Context, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_MESSAGE_BYTES", 1000)
    with (
        closing(Collector(context, endpoint, 5_000)) as collector,
        closing(stranger(context, endpoint)) as dealer,
        closing(Sender(context, endpoint, never)) as sender,
    ):
        monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.send(bytes(1001))
        assert monitor.poll(LIMIT_MS)
        dealer.disable_monitor()
        monitor.close()
        sender.send(of_size(10))
        sender.drain()
        assert len(collector.messages) == 1
    assert collector.receiver.malformed == 0


def test_messages_that_never_came_are_missing_and_repeated_ones_malformed(
    context: Context, endpoint: str
) -> None:
    with (
        closing(Collector(context, endpoint, 5_000)) as collector,
        closing(stranger(context, endpoint)) as dealer,
    ):
        dealer.send(HELLO)
        for seq in (0, 3, 1, 3, 4, 9):
            dealer.send_multipart(of_size(10).numbered(0, seq).encode())
        wait_until(lambda: len(collector.messages) == 4)
        assert [message.seq for message in collector.messages] == [0, 3, 4, 9]
        assert (collector.receiver.missing, collector.receiver.malformed) == (2 + 4, 2)


@pytest.mark.parametrize(
    "answer",
    [
        [b""],
        [b"\xc1"],
        [b"\x91" * 1000],
        [msgpack.packb([1])],
        [msgpack.packb({})],
        [msgpack.packb({CREDIT: "much"})],
        [msgpack.packb({CREDIT: -1})],
        [msgpack.packb({CREDIT: True})],
        [msgpack.packb({CREDIT: 2**64 - 1})],
        [msgpack.packb({CREDIT: 1, ACKNOWLEDGE: 0})],
        [msgpack.packb({ACKNOWLEDGE: 7})],
        [msgpack.packb({ACKNOWLEDGE: [0]})],
        [msgpack.packb({"other": 0})],
        [msgpack.packb({CREDIT: 100}), b"more"],
    ],
)
def test_an_answer_that_is_none_is_counted_and_the_link_goes_on(
    context: Context, endpoint: str, answer: list[bytes]
) -> None:
    router: zmq.Socket[Any] = context.socket(zmq.ROUTER)
    router.linger = 0
    with closing(router):
        router.bind(endpoint)
        with closing(Sender(context, endpoint, never)) as sender:
            sending = InThread(lambda: send_and_drain(sender, 1))
            assert router.poll(LIMIT_MS)
            peer, hello = router.recv_multipart()
            assert hello == HELLO
            router.send_multipart([peer, *answer])
            router.send_multipart([peer, msgpack.packb({CREDIT: 1000})])
            assert router.poll(LIMIT_MS)
            assert Message.decode(router.recv_multipart()[1:]).seq == 0
            router.send_multipart([peer, *answer])
            router.send_multipart([peer, msgpack.packb({ACKNOWLEDGE: 0})])
            sending.result()
            assert sender.malformed == 2


def test_a_busy_port_is_one_line(context: Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LinkError) as caught:
            Receiver(context, endpoint, never)
    assert str(caught.value) == f"cannot listen at {endpoint}: Address already in use; choose another"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "nonsense",
        "tcp://127.0.0.1",
        "udp://127.0.0.1:1",
        "ipc:///no/such/folder/x",
        "ipc:///tmp/" + "x" * 120,
    ],
)
def test_an_endpoint_that_cannot_be_is_one_line(context: Context, endpoint: str) -> None:
    with pytest.raises(LinkError, match=r"^cannot listen at .*; choose another$"):
        Receiver(context, endpoint, never)
    if not endpoint.startswith("ipc:///no"):
        with pytest.raises(LinkError, match=r"^cannot connect to "):
            Sender(context, endpoint, never)


def test_a_receiver_tells_the_port_that_the_system_chose(context: Context) -> None:
    with (
        closing(Receiver(context, "tcp://127.0.0.1:*", never)) as receiver,
        closing(Sender(context, receiver.endpoint, never)) as sender,
    ):
        sending = InThread(lambda: send(sender, 1))
        assert receiver.receive().seq == 0
        sending.result()
