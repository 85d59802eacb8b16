"""Garbage at either end of a link is counted and disturbs nothing."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import msgpack
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from link_cases import (
    LIMIT_MS,
    Collector,
    Context,
    InThread,
    Patience,
    never,
    of_size,
    send_and_drain,
    stranger,
)
from replay_cases import wait_until, zmq_context

from streams.wire import link
from streams.wire.link import ACKNOWLEDGE, CREDIT, HELLO, Receiver, Sender, Stopped
from streams.wire.message import Message


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
