"""Garbage at either socket of a link is counted, disturbs nothing and costs no memory."""

from __future__ import annotations

import random
import resource
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_cases import (
    LIMIT_MS,
    Collector,
    Context,
    FakeReader,
    FakeSender,
    InThread,
    Patience,
    never,
    of_size,
    play,
    send,
    serve_until,
)
from replay_cases import request, wait_until, zmq_context

from streams import exchange
from streams.stages.source import FileSource
from streams.wire.endpoint import Stopped
from streams.wire.grant import Grant
from streams.wire.message import MAX_INTEGER, MalformedMessage, Message
from streams.wire.receiver import Receiver
from streams.wire.sender import MAX_FRAME_BYTES, MAX_WAITING, Sender
from trigger.frames import Block

MANY = 100_000

FEW = 5_000
"""Garbage between two looks whether all of it is counted."""

MEMORY_MIB = 60
"""What garbage may cost: queues of ZeroMQ, and what the test itself keeps of it."""

GOOD = {"v": 1, "reader": "r", "instance": 1, "credit": 1000, "epoch": 0, "next": 0, "resume": False}

WRONG_GRANTS: list[list[bytes]] = [
    [b""],
    [b"\xc1"],
    [b"\x91" * 1000],
    [b"x" * 4_000],
    [msgpack.packb([1])],
    [msgpack.packb({})],
    [msgpack.packb(GOOD), b"more"],
    [b"", msgpack.packb(GOOD)],
    [msgpack.packb(GOOD) + b"\0"],
    [msgpack.packb(GOOD)[:-1]],
    [msgpack.packb(GOOD | {"more": 0})],
    [msgpack.packb({key: value for key, value in GOOD.items() if key != "next"})],
    *(
        [msgpack.packb(GOOD | {key: value})]
        for key, values in {
            "v": [0, 2, True, "1", None],
            "reader": ["", "a\nb", "x" * 101, 1, None],
            "instance": [-1, 2**63, "1", 1.0, None],
            "credit": [0, -1, 2**64 - 1, True, "much"],
            "epoch": [-1, MAX_INTEGER, 1.5, [0]],
            "next": [-1, 2**63, "0", {}],
            "resume": [0, 1, "no", None],
        }.items()
        for value in values
    ),
]


@pytest.mark.parametrize("frames", WRONG_GRANTS, ids=range(len(WRONG_GRANTS)))
def test_a_grant_that_is_none_is_counted_and_the_link_goes_on(
    context: Context, endpoint: str, frames: list[bytes]
) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.send(*frames)
        reader.say()
        send(sender, 1)
        epoch = reader.read().epoch
        reader.send(*frames)
        reader.say(epoch=epoch, next=1)
        sender.drain()
        assert sender.counts.malformed == 2


def test_a_reader_that_has_what_was_not_sent_is_counted_and_not_believed(
    context: Context, endpoint: str
) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.say(credit=1)
        send(sender, 1, 1, 1)
        epoch = reader.read().epoch
        for wrong in ({"epoch": epoch, "next": 2}, {"epoch": epoch + 1, "next": 0}):
            reader.say(**wrong)
        serve_until(sender, lambda: sender.counts.malformed == 2)
        assert len(sender.undelivered) == 3
        for seq in range(1, 4):
            reader.say(epoch=epoch, next=seq)
            sender._turn(LIMIT_MS)
            assert len(sender.undelivered) == 3 - seq
        sender.drain()


def test_readers_beyond_those_that_may_wait_are_counted(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.say()
        send(sender, 1)
        for i in range(MAX_WAITING + 5):
            reader.say(reader=f"r{i}", instance=i + 10)
        serve_until(sender, lambda: sender.counts.malformed == 5)


def test_a_frame_beyond_the_limit_is_not_even_received(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint, "stranger")) as stranger,
        closing(Collector(context, endpoint)) as collector,
    ):
        monitor = stranger._dealer.get_monitor_socket()
        stranger.send(bytes(MAX_FRAME_BYTES + 1))
        assert monitor.poll(LIMIT_MS)
        stranger._dealer.disable_monitor()
        monitor.close()
        play(sender, 1, 1)
        assert len(collector.messages) == 2
        assert sender.counts.malformed == 0


def test_what_is_not_even_zeromq_disturbs_nothing(context: Context) -> None:
    with (
        closing(Sender(context, "tcp://127.0.0.1:*", never)) as sender,
        closing(Collector(context, sender.endpoint)) as collector,
    ):
        host, port = sender.endpoint.removeprefix("tcp://").split(":")
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(1000), b"\xff" + bytes(8) + b"\x7f" + bytes(100)):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(garbage)
        play(sender, *[10] * 20)
        assert len(collector.messages) == 20
        assert sum(vars(sender.counts).values()) == 0


def test_a_stop_ends_a_receiver_under_a_flood(context: Context, endpoint: str) -> None:
    with (
        closing(FakeSender(context, endpoint)) as sender,
        closing(Receiver(context, endpoint, Patience(20), "r")) as receiver,
    ):
        sender.hear()
        for _ in range(100):
            sender.send_frames(b"flood")
        with pytest.raises(Stopped):
            InThread(receiver.receive).result()
    assert 15 <= receiver.counts.malformed <= 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), min_size=1, max_size=20))
def test_random_frames_are_all_counted_at_both_ends(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[list[bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("l")
    with (
        zmq_context() as context,
        closing(Sender(context, f"ipc://{folder}/a", never)) as sender,
        closing(FakeReader(context, f"ipc://{folder}/a")) as reader,
        closing(FakeSender(context, f"ipc://{folder}/b")) as fake,
        closing(Collector(context, f"ipc://{folder}/b")) as collector,
    ):
        fake.hear()
        for frames in garbage:
            reader.send(*frames)
            fake.send_frames(*frames)
        serve_until(sender, lambda: sender.counts.malformed == len(garbage))
        wait_until(lambda: collector.counts.malformed == len(garbage))


def real_block(spill: Path) -> list[bytes]:
    """The frames of a message with a block of two detectors of the small spill, number 1 of epoch 1."""
    with closing(FileSource(request(spill, block_frames=4))) as source:
        block = next(source.blocks())
        streams = {name: block.streams[name] for name in ("RICH", "CHOD")}
        block = Block(block.first_frame, block.n_frames, streams)
        message = exchange.block_message(block, source.start, source.totals, source.late, "")
    return [bytes(frame) for frame in message.numbered(1, 1).encode()]


def mutate(frames: list[bytes], rng: random.Random) -> list[bytes]:
    """Change a message in one way: a bit, a byte cut or added, a frame lost, doubled or exchanged, or all of it."""
    frames = [*frames]
    i = rng.choice([i for i, frame in enumerate(frames) if frame])
    frame = bytearray(frames[i])
    match rng.randrange(7):
        case 0:
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        case 1:
            del frame[rng.randrange(len(frame)) :]
        case 2:
            frame += rng.randbytes(rng.randrange(1, 9))
        case 3:
            return [*frames[:i], *frames[i + 1 :]] or [b""]
        case 4:
            return [*frames, bytes(frame)]
        case 5:
            frame = bytearray(rng.randbytes(rng.randrange(1, 200)))
        case _:
            return [rng.randbytes(rng.randrange(60)) for _ in range(rng.randrange(1, 5))]
    frames[i] = bytes(frame)
    return frames


def flood(frames: list[bytes], put: Callable[..., None], counted: Callable[[], int]) -> None:
    """Send MANY mutations of a message; see that all are counted and that they cost no memory."""

    def reached(n: int) -> bool:
        return counted() >= n

    rng = random.Random(1)
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for start in range(0, MANY, FEW):
        for _ in range(FEW):
            put(*mutate(frames, rng))
        wait_until(partial(reached, start + FEW))
    assert counted() == MANY
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) / 1024 < MEMORY_MIB


@pytest.mark.needs_jit
def test_a_flood_at_the_socket_of_a_sender_is_counted_and_costs_no_memory(
    context: Context, endpoint: str
) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
        closing(FakeReader(context, endpoint, "stranger")) as stranger,
    ):
        reader.say()
        send(sender, 1)
        epoch = reader.read().epoch
        # Of mutated grants some are still grants, of a reader that waits, or of one that was started anew.
        heard = 0
        hear = sender._hear

        def count(grant: Grant, address: bytes) -> None:
            nonlocal heard
            hear(grant, address)
            heard += 1

        sender._hear = count  # type: ignore[method-assign]

        def counted() -> int:
            sender.service()
            return heard + sender.counts.malformed

        flood([Grant("other", 5, 1000).encode()], stranger.send, counted)
        assert sender.counts.malformed > MANY // 2
        assert sender.readers == ["r"]
        reader.say(epoch=epoch, next=1)
        sender.drain()


@pytest.mark.needs_jit
def test_a_flood_of_mutated_blocks_at_a_receiver_is_counted_and_costs_no_memory(
    context: Context, endpoint: str, spill: Path
) -> None:
    frames = real_block(spill)
    taken = 0
    with (
        closing(FakeSender(context, endpoint)) as sender,
        closing(Collector(context, endpoint, acknowledging=False)) as collector,
    ):
        sender.hear()
        sender.send(of_size(1), 1, 0)
        wait_until(lambda: collector.messages)

        def counted() -> int:
            nonlocal taken
            taken += len(collector.messages)
            collector.messages.clear()
            counts = collector.counts
            seen: int = counts.malformed + counts.out_of_order + counts.duplicates + counts.stale + taken - 1
            return seen

        flood(frames, sender.send_frames, counted)
        assert collector.counts.malformed > MANY // 2


@pytest.mark.needs_jit
def test_a_block_of_any_content_is_read_or_malformed(spill: Path) -> None:
    frames = real_block(spill)
    rng = random.Random(2)
    read = 0
    tracemalloc.start()
    for _ in range(5_000):
        try:
            read += exchange.read_block(Message.decode(mutate(frames, rng))) is not None
        except MalformedMessage:
            continue
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < read < 5_000
    assert peak < 10 * 2**20
