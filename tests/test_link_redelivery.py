"""What both ends of a link do when the other one starts anew, goes back, or counts wrongly."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_cases import (
    Collector,
    Context,
    FakeReader,
    FakeSender,
    InThread,
    cost,
    link,
    never,
    of_size,
    play,
    send,
    serve_until,
    started_anew,
)
from replay_cases import wait_until, zmq_context

from streams.wire.message import MalformedMessage
from streams.wire.receiver import MAX_REFUSALS, Receiver
from streams.wire.sender import ReaderRestarted, Sender


def test_a_reader_started_anew_in_a_spill_ends_it_and_gets_the_next_attempt_whole(
    context: Context, endpoint: str
) -> None:
    with closing(Sender(context, endpoint, never)) as sender:
        with closing(Collector(context, endpoint, 10 * cost(of_size(10)))) as first:
            send(sender, *[10] * 25)
            serve_until(sender, lambda: len(first.messages) > 10)
        with closing(Collector(context, endpoint)) as second:
            with pytest.raises(ReaderRestarted, match=r"^r$"):
                serve_until(sender, lambda: False)
            play(sender, *[10] * 25)
            assert [message.seq for message in second.messages] == [*range(25)]
            assert second.messages[0].epoch > first.messages[0].epoch
        assert sender.counts.restarts == 1


def test_one_reader_started_anew_begins_the_spill_again_for_all(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never, readers=2)) as sender,
        closing(Collector(context, endpoint, 2 * cost(of_size(10)), "steady")) as steady,
    ):
        with closing(FakeReader(context, endpoint, "frail")) as frail:
            frail.say()
            send(sender, *[10] * 25)
        with closing(Collector(context, endpoint, name="frail")) as again:
            with pytest.raises(ReaderRestarted):
                serve_until(sender, lambda: False)
            play(sender, *[10] * 25)
            assert [message.seq for message in again.messages] == [*range(25)]
            assert [message.seq for message in steady.of_last_epoch()] == [*range(25)]


def test_a_reader_started_anew_that_speaks_twice_at_once_is_still_one_restart(
    context: Context, endpoint: str
) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as old,
        closing(FakeReader(context, endpoint, instance=2)) as new,
    ):
        old.say()
        send(sender, *[10] * 5)
        epoch = old.read().epoch
        old.say(epoch=epoch, next=5)
        serve_until(sender, lambda: not sender.undelivered)
        sender.send(of_size(10))
        for _ in range(100):
            new.say()
        new.say(resume=True)
        with pytest.raises(ReaderRestarted):
            serve_until(sender, lambda: False)
        new.say()
        sender._turn(50)
        assert new.waiting() == []
        send(sender, 10)
        assert [(m.epoch > epoch, m.seq) for m in new.waiting()] == [(True, 0)]


def test_a_reader_started_anew_between_spills_is_served_without_ado(context: Context, endpoint: str) -> None:
    with closing(Sender(context, endpoint, never)) as sender:
        with closing(Collector(context, endpoint)):
            play(sender, *[10] * 5)
        with closing(FakeReader(context, endpoint, instance=1)) as reader:
            for _ in range(10):
                reader.say()
            serve_until(sender, lambda: sender._readers["r"].grant.instance == 1)
            reader.say(resume=True)
            sender._turn(50)
        with closing(Collector(context, endpoint)) as last:
            serve_until(sender, lambda: sender._readers["r"].grant.instance not in (0, 1))
            play(sender, 10, 10)
            assert [message.seq for message in last.messages] == [0, 1]
        assert sender.counts.restarts == 0


def test_a_reader_that_was_replaced_and_comes_back_is_not_heard(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint, instance=1)) as old,
        closing(FakeReader(context, endpoint, instance=2)) as new,
    ):
        old.say()
        sender.wait_for_readers()
        new.say()
        serve_until(sender, lambda: sender._readers["r"].grant.instance == 2)
        send(sender, 10)
        for _ in range(5):
            old.say()
        serve_until(sender, lambda: sender.counts.stale == 5)
        new.say(epoch=new.read().epoch, next=1)
        sender.drain()
        assert old.waiting() == []
        assert sender.counts.restarts == 0


def test_late_grants_of_a_connection_that_is_gone_are_not_heard(context: Context, endpoint: str) -> None:
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as before,
        closing(FakeReader(context, endpoint)) as now,
    ):
        before.say()
        send(sender, 10)
        epoch = before.read().epoch
        now.say(epoch=epoch)
        serve_until(sender, lambda: sender.counts.reconnections == 1)
        for _ in range(5):
            before.say(epoch=epoch, next=1)
        serve_until(sender, lambda: sender.counts.stale == 5)
        assert (sender.counts.reconnections, sender.counts.redelivered) == (1, 1)
        now.say(epoch=epoch, next=1)
        sender.drain()


def heard(sender: Sender, collector: Collector, n: int) -> bool:
    """Let a sender hear its readers; say whether this many messages have come in all."""
    sender.service()
    return len(collector.messages) == n


def test_a_sender_started_anew_opens_a_higher_epoch_for_the_same_receiver(
    context: Context, endpoint: str
) -> None:
    with closing(Collector(context, endpoint)) as collector:
        for n in (5, 10, 15):
            with closing(started_anew(context, endpoint)) as sender:
                send(sender, *[10] * 5)
                wait_until(partial(heard, sender, collector, n))
        assert [message.seq for message in collector.messages] == [*range(5)] * 3
        epochs = [message.epoch for message in collector.messages]
        assert epochs == sorted(epochs)
        assert len(set(epochs)) == 3
        assert collector.counts.stale == 0


def said_and_heard(reader: FakeReader, sender: Sender) -> bool:
    """Let a reader speak; what it says into an old connection before ZeroMQ sees its end is lost with that."""
    reader.say()
    sender.service()
    return bool(sender._waiting)


def test_a_sender_started_anew_passes_what_its_predecessor_sent_and_nobody_has_read(
    context: Context, endpoint: str
) -> None:
    with closing(FakeReader(context, endpoint)) as reader:
        with closing(Sender(context, endpoint, never)) as sender:
            reader.say()
            send(sender, 10)
            unread = wait_until(reader.waiting)
        with closing(started_anew(context, endpoint)) as sender:
            wait_until(partial(said_and_heard, reader, sender))
            send(sender, 10)
            assert reader.read().epoch > unread[0].epoch


def test_a_message_that_was_lost_is_counted_and_asked_for_until_it_comes(
    context: Context, endpoint: str
) -> None:
    with (
        closing(FakeSender(context, endpoint)) as sender,
        closing(Collector(context, endpoint)) as collector,
    ):
        sender.hear()
        sender.send(of_size(1), 7, 0)
        sender.send(of_size(1), 7, 2)
        for _ in range(3):
            grant = sender.hear_until(lambda grant: grant.resume)
            assert (grant.epoch, grant.next) == (7, 1)
        for seq in (1, 2):
            sender.send(of_size(1), 7, seq)
        sender.hear_until(lambda grant: grant.next == 3)
        assert [message.seq for message in collector.messages] == [0, 1, 2]
        assert collector.counts.out_of_order == 1
        assert not sender.hear().resume


def test_a_last_message_that_arrives_garbled_is_asked_for(context: Context, endpoint: str) -> None:
    with (
        closing(FakeSender(context, endpoint)) as sender,
        closing(Collector(context, endpoint)) as collector,
    ):
        sender.hear()
        sender.send(of_size(1), 7, 0)
        sender.send_frames(b"\xc1")
        sender.hear_until(lambda grant: grant.resume and grant.next == 1)
        sender.send(of_size(1), 7, 1)
        sender.hear_until(lambda grant: grant.next == 2)
        assert collector.counts.malformed == 1


def test_messages_that_come_twice_or_of_an_epoch_that_is_over_are_counted(
    context: Context, endpoint: str
) -> None:
    with (
        closing(FakeSender(context, endpoint)) as sender,
        closing(Collector(context, endpoint)) as collector,
    ):
        sender.hear()
        for epoch, seq in [
            (7, 0),
            (7, 0),
            (7, 1),
            (7, 0),
            (8, 0),
            (7, 2),
            (7, 0),
            (0, 0),
            (8, 1),
            (9, 3),
            (9, 0),
        ]:
            sender.send(of_size(1), epoch, seq)
        sender.hear_until(lambda grant: (grant.epoch, grant.next) == (9, 1))
        taken = [(message.epoch, message.seq) for message in collector.messages]
        assert taken == [(7, 0), (7, 1), (8, 0), (8, 1), (9, 0)]
        counts = collector.counts
        assert (counts.duplicates, counts.stale, counts.out_of_order, counts.malformed) == (2, 3, 1, 0)


def test_a_message_whose_content_is_malformed_is_asked_for_again(context: Context, endpoint: str) -> None:
    with closing(Sender(context, endpoint, never)) as sender:
        sending = InThread(lambda: play(sender, 1, 1, 1))
        with closing(Receiver(context, endpoint, never, "r")) as receiver:
            receiver.acknowledge(receiver.receive())
            for _ in range(2):
                message = receiver.receive()
                assert message.seq == 1
                receiver.refuse(message, MalformedMessage("no"))
            for seq in (1, 2):
                message = receiver.receive()
                assert message.seq == seq
                receiver.acknowledge(message)
            sending.result()
            assert receiver.counts.malformed == 2


def test_a_message_whose_content_stays_malformed_is_an_error(context: Context, endpoint: str) -> None:
    with closing(Sender(context, endpoint, never)) as sender, closing(FakeReader(context, endpoint, "other")):
        sending = InThread(lambda: send(sender, 1))
        with closing(Receiver(context, endpoint, never, "r")) as receiver:
            sending.result()
            serving = True

            def serve() -> None:
                while serving:
                    sender._turn(5)

            server = InThread(serve)
            for _ in range(MAX_REFUSALS - 1):
                receiver.refuse(receiver.receive(), MalformedMessage("it is bad"))
            with pytest.raises(MalformedMessage, match="it is bad"):
                receiver.refuse(receiver.receive(), MalformedMessage("it is bad"))
            serving = False
            server.result()


@settings(max_examples=15, deadline=None)
@given(order=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), max_size=40))
def test_whatever_order_messages_come_in_they_are_taken_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[int, int]]
) -> None:
    endpoint = f"ipc://{tmp_path_factory.mktemp('l')}/link"
    taken: list[tuple[int, int]] = []
    epoch = expected = stale = out_of_order = duplicates = 0
    for e, seq in [*order, (9, 0)]:
        if e < epoch:
            stale += 1
            continue
        if e > epoch and seq == 0:
            epoch, expected = e, 0
        if e > epoch or seq > expected:
            out_of_order += 1
        elif seq < expected:
            duplicates += 1
        else:
            taken.append((e, seq))
            expected += 1
    with (
        zmq_context() as context,
        closing(FakeSender(context, endpoint)) as sender,
        closing(Collector(context, endpoint)) as collector,
    ):
        sender.hear()
        for e, seq in [*order, (9, 0)]:
            sender.send(of_size(1), e, seq)
        sender.hear_until(lambda grant: grant.epoch == 9)
        assert [(message.epoch, message.seq) for message in collector.messages] == taken
        counts = collector.counts
        assert (counts.stale, counts.out_of_order, counts.duplicates) == (stale, out_of_order, duplicates)


def test_what_a_reader_has_not_read_of_an_attempt_counts_against_the_next(
    context: Context, endpoint: str
) -> None:
    size = cost(of_size(100))
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.say(credit=10 * size)
        for _ in range(10):
            send(sender, *[100] * 20)
        assert len(reader.waiting()) <= 20 + 10
        reader.say(epoch=sender._epoch, next=1)
        serve_until(sender, lambda: sender._readers["r"].next == 1)
        assert len(reader.waiting()) >= 9


def test_a_receiver_and_its_sender_count_a_lost_connection_alike(context: Context, endpoint: str) -> None:
    with link(context, endpoint) as (sender, collector):
        send(sender, 1)
        serve_until(sender, lambda: not sender.undelivered)
        assert sender.counts == collector.counts
