"""Links: credit bounds what is under way, nothing is lost or out of order, and a stop ends every wait."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import numpy as np
import pytest
from link_cases import (
    Collector,
    Context,
    InThread,
    Patience,
    cost,
    never,
    of_size,
    send,
    send_and_drain,
)
from replay_cases import wait_until

from streams.wire.link import LinkError, Receiver, Sender, Stopped
from streams.wire.message import Message, MessageTooLong


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
