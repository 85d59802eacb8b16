"""Messages to whoever wants to look: latest wins, gaps are counted, nobody is waited for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from replay_cases import wait_until

from streams.wire.broadcast import Publisher, Subscriber
from streams.wire.endpoint import LinkError
from streams.wire.message import Message


def publish_until_heard(publisher: Publisher, reader: Subscriber) -> Message:
    """A reader is there once it has heard something: what was sent before it connected is not for it."""

    def heard() -> Message | None:
        publisher.publish(Message("hello"))
        return reader.latest(10)

    message: Message = wait_until(heard)
    return message


def test_a_reader_gets_the_newest_message_and_knows_that_it_missed_none(
    context: zmq.Context[Any], endpoint: str
) -> None:
    with (
        closing(Publisher(context, endpoint)) as publisher,
        closing(Subscriber(context, endpoint)) as reader,
    ):
        publish_until_heard(publisher, reader)
        publisher.publish(Message("snapshot", body={"index": 7}))
        found = wait_until(lambda: reader.latest(10))
        assert (found.kind, found.body["index"]) == ("snapshot", 7)
        assert (reader.missed, reader.malformed) == (0, 0)


def test_a_slow_reader_stops_nobody_and_counts_what_it_missed(
    context: zmq.Context[Any], endpoint: str
) -> None:
    with (
        closing(Publisher(context, endpoint)) as publisher,
        closing(Subscriber(context, endpoint)) as reader,
    ):
        publish_until_heard(publisher, reader)
        large = b"x" * 2_000_000
        for _ in range(200):
            publisher.publish(Message("snapshot", arrays={"text": _bytes(large)}))
        last = wait_until(lambda: reader.latest(10)).seq
        while (more := reader.latest(100)) is not None:
            last = more.seq
        publisher.publish(Message("end"))
        end = wait_until(lambda: reader.latest(10))
        assert last <= end.seq - 1
        assert reader.missed > 0


def test_garbage_is_counted(context: zmq.Context[Any], endpoint: str) -> None:
    with closing(context.socket(zmq.PUB)) as stranger, closing(Subscriber(context, endpoint)) as reader:
        stranger.linger = 0
        stranger.bind(endpoint)

        def counted() -> bool:
            stranger.send_multipart([b"garbage"])
            return reader.latest(10) is None and reader.malformed > 0

        wait_until(counted)


def test_a_publisher_listens_on_this_host_only(context: zmq.Context[Any]) -> None:
    with pytest.raises(LinkError, match="loopback"):
        Publisher(context, "tcp://0.0.0.0:0")


def test_a_place_that_is_taken_is_an_error_that_names_it(context: zmq.Context[Any], tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("mine")
    with pytest.raises(LinkError, match="file"):
        Publisher(context, f"ipc://{taken}")
    assert taken.read_text() == "mine"


def _bytes(text: bytes) -> Any:
    return np.frombuffer(text, np.uint8)
