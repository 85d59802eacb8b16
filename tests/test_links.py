"""Links: messages come once each and in order, credit bounds what is under way, and a stop ends every wait."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from link_cases import (
    Collector,
    Context,
    FakeReader,
    InThread,
    Patience,
    cost,
    link,
    never,
    of_size,
    play,
    send,
    serve_until,
    started_anew,
)
from replay_cases import LIMIT_S, wait_until, zmq_context

from streams.wire import sender as sender_module
from streams.wire.endpoint import LinkError, Stopped, check_endpoint
from streams.wire.message import MessageTooLong
from streams.wire.receiver import Receiver
from streams.wire.sender import Sender


def numbers(collector: Collector) -> list[int]:
    return [message.seq for message in collector.messages]


def test_messages_come_once_each_in_order_and_whole(context: Context, endpoint: str) -> None:
    with link(context, endpoint, 10_000) as (sender, collector):
        play(sender, *range(500))
        assert numbers(collector) == [*range(500)]
        for i, message in enumerate(collector.messages):
            assert (message.first_frame, message.arrays["a"].tobytes()) == (i, bytes([i % 256]) * i)
        assert sum(vars(collector.counts + sender.counts).values()) == 0


def test_spills_follow_each_other_in_epochs_of_their_own(context: Context, endpoint: str) -> None:
    with link(context, endpoint) as (sender, collector):
        for _ in range(3):
            play(sender, 10, 10)
        epochs = [message.epoch for message in collector.messages]
        assert epochs == [e for e in sorted(set(epochs)) for _ in range(2)]
        assert numbers(collector) == [0, 1] * 3


def test_a_message_larger_than_the_credit_passes_alone(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never, window_bytes=1000)) as sender,
        closing(Receiver(context, endpoint, never, "r", 1000)) as receiver,
    ):
        sending = InThread(lambda: play(sender, 10, 100_000, 10))
        for seq in range(3):
            message = receiver.receive()
            assert message.seq == seq
            assert sending.running
            receiver.acknowledge(message)
        sending.result()


def test_a_message_that_no_receiver_would_take_is_refused_and_the_link_goes_on(
    context: Context, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with link(context, endpoint) as (sender, collector):
        send(sender, 1)
        with monkeypatch.context() as patch:
            patch.setattr("streams.wire.message.MAX_MESSAGE_BYTES", 1000)
            with pytest.raises(MessageTooLong):
                sender.send(of_size(1001))
        sender.send(of_size(1))
        sender.drain()
        assert numbers(collector) == [0, 1]


def test_drain_waits_until_all_is_acknowledged_in_any_order(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(Receiver(context, endpoint, never, "r")) as receiver,
    ):
        draining = InThread(lambda: play(sender, 1, 1, 1))
        messages = [receiver.receive() for _ in range(3)]
        receiver.acknowledge(messages[1])
        receiver.acknowledge(messages[0])
        assert draining.running
        receiver.acknowledge(messages[2])
        draining.result()


@pytest.mark.parametrize("n_readers", [2, 5])
def test_several_readers_of_any_speed_get_the_same(context: Context, endpoint: str, n_readers: int) -> None:
    sizes = [100] * 300
    with ExitStack() as stack:
        sender = stack.enter_context(
            closing(Sender(context, endpoint, never, readers=n_readers, window_bytes=20_000))
        )
        readers = [
            stack.enter_context(closing(Collector(context, endpoint, 300 * 10**i, f"r{i}")))
            for i in range(n_readers)
        ]
        play(sender, *sizes)
        assert sorted(sender.readers) == [f"r{i}" for i in range(n_readers)]
        for reader in readers:
            assert numbers(reader) == [*range(300)]


def test_a_slow_reader_holds_the_others_back_and_loses_nothing(context: Context, endpoint: str) -> None:
    patience = Patience(10**6)
    with (
        closing(
            Sender(context, endpoint, patience, readers=2, window_bytes=10 * cost(of_size(100)))
        ) as sender,
        closing(Collector(context, endpoint, name="fast")) as fast,
        closing(FakeReader(context, endpoint, "slow")) as slow,
    ):
        slow.say()
        send(sender, *[100] * 10)
        wait_until(lambda: len(fast.messages) == 10)
        patience._times = 10
        patience.reset()
        with pytest.raises(Stopped):
            sender.send(of_size(100))
        patience._times = 10**6
        epoch = slow.read().epoch
        slow.say(epoch=epoch, next=10)
        sender.send(of_size(100))
        wait_until(lambda: len(fast.messages) == 11)
        slow.say(epoch=epoch, next=11)
        sender.drain()
        assert [message.seq for message in slow.waiting()] == [*range(1, 11)]


def test_a_reader_that_comes_in_the_middle_gets_the_next_spill(context: Context, endpoint: str) -> None:
    with link(context, endpoint) as (sender, first):
        send(sender, 1, 1)
        with closing(Collector(context, endpoint, name="late")) as late:
            serve_until(sender, lambda: "late" in sender._waiting)
            sender.drain()
            play(sender, 1, 1, 1)
            assert (numbers(late), numbers(first)) == ([0, 1, 2], [0, 1, 0, 1, 2])


def test_a_reader_that_waited_and_went_is_not_waited_for(
    context: Context, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "WAITING_S", 0.1)
    with link(context, endpoint) as (sender, collector):
        send(sender, 1)
        with closing(Collector(context, endpoint, name="fickle")):
            serve_until(sender, lambda: "fickle" in sender._waiting)
        serve_until(sender, lambda: time.monotonic() - sender._waiting["fickle"].heard_s > 0.1)
        sender.drain()
        play(sender, 1, 1)
        assert sender.readers == ["r"]
        assert numbers(collector) == [0, 0, 1]


@pytest.mark.parametrize("wait", ["wait_for_readers", "send", "drain"])
def test_a_stop_ends_every_wait_of_a_sender(context: Context, endpoint: str, wait: str) -> None:
    stop = threading.Event()
    with (
        closing(Sender(context, endpoint, stop.is_set, window_bytes=10)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        if wait != "wait_for_readers":
            reader.say()
            send(sender, 1)
        blocked = InThread({"send": lambda: sender.send(of_size(1))}.get(wait) or getattr(sender, wait))
        stop.set()
        with pytest.raises(Stopped):
            blocked.result()


def test_a_stop_ends_a_receiver_without_a_sender(context: Context, endpoint: str) -> None:
    stop = threading.Event()
    with closing(Receiver(context, endpoint, stop.is_set, "r")) as receiver:
        blocked = InThread(receiver.receive)
        stop.set()
        with pytest.raises(Stopped):
            blocked.result()


def test_a_reader_that_is_silent_for_too_long_is_one_line(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never, patience_s=0.05)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.say()
        with pytest.raises(LinkError, match=r"^reader r has been silent for 0.05 s, and 1 messages wait"):
            play(sender, 1)


def test_a_busy_port_is_one_line(context: Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LinkError) as caught:
            Sender(context, endpoint, never)
    assert str(caught.value) == f"cannot listen at {endpoint}: Address already in use; choose another"


def test_a_path_where_another_sender_listens_is_one_line(context: Context, endpoint: str) -> None:
    with link(context, endpoint) as (sender, collector):
        with pytest.raises(LinkError, match=r": Address already in use; choose another$"):
            Sender(context, endpoint, never)
        play(sender, 1)
        assert numbers(collector) == [0]


def test_a_file_in_the_place_of_an_endpoint_is_left_alone(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "spill.h5"
    path.write_text("mine")
    with pytest.raises(LinkError, match=r": File exists; choose another$"):
        Sender(context, f"ipc://{path}", never)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "nonsense",
        "tcp://127.0.0.1",
        "udp://127.0.0.1:1",
        "ipc:///no/such/folder/x",
        "ipc:///tmp/" + "x" * 300,
    ],
)
def test_an_endpoint_that_cannot_be_is_one_line(context: Context, endpoint: str) -> None:
    with pytest.raises(LinkError, match=r"^cannot listen at .*; choose another$"):
        Sender(context, endpoint, never)
    if not endpoint.startswith("ipc:///no"):
        with pytest.raises(LinkError, match=r"^cannot connect to "):
            Receiver(context, endpoint, never, "r")


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://localhost:5000", "ipc://x"])
def test_endpoints_on_this_host_are_taken(endpoint: str) -> None:
    check_endpoint(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("127.0.0.1:5000", "is no endpoint"),
        ("tcp://[::1]:5000", "is no endpoint"),
        ("tcp://127.0.0.1:70000", "70000 is no port; give one from 0 to 65535"),
        ("tcp://127.0.0.1:", "is no endpoint"),
        ("inproc://x", "is no endpoint"),
        ("ipc://", "is no endpoint"),
        ("tcp://*:5000", "loopback"),
        ("tcp://0.0.0.0:5000", "loopback"),
        ("tcp://example.org:5000", "loopback"),
    ],
)
def test_endpoints_elsewhere_are_refused_in_one_line(endpoint: str, message: str) -> None:
    with pytest.raises(LinkError, match=message) as caught:
        check_endpoint(endpoint)
    assert "\n" not in str(caught.value)


def test_a_sender_tells_the_port_that_the_system_chose(context: Context) -> None:
    with (
        closing(Sender(context, "tcp://127.0.0.1:*", never)) as sender,
        closing(Collector(context, sender.endpoint)) as collector,
    ):
        play(sender, 1)
        assert numbers(collector) == [0]


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=40),
    granted=st.lists(st.integers(1, 20_000), min_size=1, max_size=3),
    window=st.integers(1, 20_000),
)
def test_any_credits_and_window_deliver_all_to_all(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], granted: list[int], window: int
) -> None:
    endpoint = f"ipc://{tmp_path_factory.mktemp('l')}/link"
    with zmq_context() as context, ExitStack() as stack:
        made = Sender(context, endpoint, never, len(granted), window)
        sender = stack.enter_context(closing(made))
        readers = [
            stack.enter_context(closing(Collector(context, endpoint, credit, str(i))))
            for i, credit in enumerate(granted)
        ]
        play(sender, *sizes)
        for reader in readers:
            assert [len(message.arrays["a"]) for message in reader.messages] == sizes


def test_arrays_are_sent_from_where_they_are(context: Context, endpoint: str) -> None:
    large = np.arange(10**6, dtype=np.int64)
    with link(context, endpoint) as (sender, collector):
        sender.wait_for_readers()
        message = of_size(0)
        sender.begin(message.__class__("x", arrays={"a": large}))
        assert np.shares_memory(np.frombuffer(sender._kept[0].frames[1], np.int64), large)
        sender.drain()
        assert (collector.messages[0].arrays["a"] == large).all()


def test_a_receiver_that_another_socket_wakes_all_the_time_still_tells_a_new_sender_of_itself(
    context: Context, endpoint: str
) -> None:
    over = threading.Event()
    with closing(context.socket(zmq.PUSH)) as push, closing(context.socket(zmq.PULL)) as busy:
        push.bind("inproc://busy")
        busy.connect("inproc://busy")
        # Never read, so that there is always something to read.
        push.send(b"")
        first = Sender(context, endpoint, never)
        with closing(Receiver(context, first.endpoint, over.is_set, "r", beside=busy)) as receiver:
            receiving = InThread(receiver.receive)
            try:
                first.wait_for_readers()
                first.close()
                deadline = time.monotonic() + LIMIT_S
                with closing(
                    started_anew(context, first.endpoint, lambda: time.monotonic() > deadline)
                ) as second:
                    second.wait_for_readers()
                    assert second.readers == ["r"]
            finally:
                over.set()
            with pytest.raises(Stopped):
                receiving.result()
