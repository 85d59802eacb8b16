"""Credit: how much is under way to a reader, and how much a sender keeps."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_cases import PLENTY, Context, FakeReader, Patience, cost, never, of_size, send, serve_until
from replay_cases import zmq_context

from streams.wire import sender as sender_module
from streams.wire.endpoint import Stopped
from streams.wire.sender import Sender


@pytest.mark.parametrize("n_bytes", [0, 100, 10_000])
def test_no_more_is_under_way_than_the_reader_granted(context: Context, endpoint: str, n_bytes: int) -> None:
    credit = 10 * cost(of_size(n_bytes)) + 5
    with (
        closing(Sender(context, endpoint, never)) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.say(credit=credit)
        send(sender, *[n_bytes] * 30)
        first = reader.waiting()
        assert [message.seq for message in first] == [*range(10)]
        assert 0 <= sender.state().credit_bytes < cost(of_size(n_bytes))
        reader.say(epoch=first[0].epoch, next=4)
        serve_until(sender, lambda: sender.state().queued_messages == 26)
        assert [message.seq for message in reader.waiting()] == [*range(10, 14)]


def test_no_more_is_kept_than_the_window(context: Context, endpoint: str) -> None:
    patience = Patience(10)
    with (
        closing(Sender(context, endpoint, patience, window_bytes=10 * cost(of_size(100)))) as sender,
        closing(FakeReader(context, endpoint)) as reader,
    ):
        reader.say()
        send(sender, 100)
        for _ in range(9):
            patience.reset()
            sender.send(of_size(100))
        with pytest.raises(Stopped):
            sender.send(of_size(100))
        state = sender.state()
        assert (state.queued_messages, state.queued_bytes) == (10, 10 * cost(of_size(100)))
        assert [message.first_frame for message in sender.undelivered] == [0] * 10


Step = tuple[str, int]


class Model:
    """What a sender may have under way to one reader that grants, goes back and reads as it likes.

    pipe: numbers of the messages that lie in its connection.
    """

    def __init__(self, context: Context, endpoint: str, credit: int) -> None:
        self.sender = Sender(context, endpoint, never, window_bytes=PLENTY)
        self.reader = FakeReader(context, endpoint)
        self.credit = credit
        self.size = cost(of_size(100))
        self.reader.say(credit=credit)
        send(self.sender, *[100] * 40)
        self.read: list[int] = []
        self.next = 0

    def step(self, what: str, n: int) -> None:
        if what == "read":
            self.read += [message.seq for message in self.reader.waiting()]
            assert len(self.read) <= 2 * max(self.credit // self.size, 1) + sender_module.MAX_RESUMES
            self.read.clear()
        if what == "resume":
            for _ in range(n):
                self.reader.say(epoch=self.sender._epoch, next=self.next, resume=True)
        if what == "settle":
            self.next = min(self.next + n, self.sender._readers["r"].highest)
            self.reader.say(epoch=self.sender._epoch, next=self.next)
        self.sender._turn(5)
        mine = self.sender._readers["r"]
        assert mine.under_way == sum(self.size for _ in range(mine.next, mine.sent))
        assert mine.under_way <= max(self.credit, self.size)
        assert self.sender.state().queued_messages == 40 - mine.next

    def close(self) -> None:
        self.reader.close()
        self.sender.close()


@settings(max_examples=15, deadline=None)
@given(
    credit=st.integers(1, 3000),
    steps=st.lists(st.tuples(st.sampled_from(["resume", "settle"]), st.integers(1, 15)), max_size=15),
)
def test_what_is_under_way_is_what_was_sent_and_not_dealt_with(
    tmp_path_factory: pytest.TempPathFactory, credit: int, steps: list[Step]
) -> None:
    endpoint = f"ipc://{tmp_path_factory.mktemp('l')}/link"
    with zmq_context() as context, closing(Model(context, endpoint, credit)) as model:
        for step in steps:
            model.step(*step)


def test_a_reader_that_asks_again_without_reading_gets_no_more_than_twice_its_credit(
    context: Context, endpoint: str
) -> None:
    with closing(Model(context, endpoint, 10 * cost(of_size(100)))) as model:
        for _ in range(20):
            model.step("resume", 50)
        model.step("read", 0)
