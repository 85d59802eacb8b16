"""Messages: what is encoded comes back, and nothing else is taken for a message."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from streams.wire import message as wire
from streams.wire.message import DTYPES, MalformedMessage, Message, MessageTooLong

NUMBERS = st.integers(0, 2**63 - 1)
TEXT = st.text(max_size=20)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(max_size=8)
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
"""Anything that msgpack can carry."""

ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(lambda name: npst.arrays(DTYPES[name], st.integers(0, 5)))
MESSAGES = st.builds(
    Message,
    TEXT,
    run=NUMBERS,
    burst=NUMBERS,
    epoch=NUMBERS,
    seq=NUMBERS,
    first_frame=NUMBERS,
    n_frames=NUMBERS,
    menu=TEXT,
    body=st.dictionaries(TEXT, SCALARS.filter(lambda x: x == x), max_size=3),
    arrays=st.dictionaries(TEXT, ARRAYS, max_size=3),
)


def good() -> Message:
    """A small message with two arrays."""
    arrays: dict[str, np.ndarray[Any, Any]]
    arrays = {"offsets": np.arange(4, dtype=np.int64), "words": np.arange(5, dtype=np.uint32)}
    return Message("primitives", 1, 2, 3, 4, 5, 6, "abc", {"detectors": ["RICH"]}, arrays)


def header_of(message: Message) -> dict[str, Any]:
    """The header as a map."""
    header: dict[str, Any] = msgpack.unpackb(message.encode()[0])
    return header


def same(a: Message, b: Message) -> bool:
    """Compare two messages in all that they hold; NaN is NaN."""
    fields = ("kind", "run", "burst", "epoch", "seq", "first_frame", "n_frames", "menu", "body")
    return (
        all(getattr(a, f) == getattr(b, f) for f in fields)
        and [*a.arrays] == [*b.arrays]
        and all(
            x.dtype == y.dtype and x.tobytes() == y.tobytes()
            for x, y in zip(a.arrays.values(), b.arrays.values(), strict=True)
        )
    )


@given(MESSAGES)
def test_a_message_comes_back_from_its_frames(message: Message) -> None:
    assert same(Message.decode([bytes(frame) for frame in message.encode()]), message)


def test_arrays_are_not_copied_on_their_way_to_and_from_frames() -> None:
    message = good()
    frames = message.encode()
    for frame, array in zip(frames[1:], message.arrays.values(), strict=True):
        assert np.shares_memory(np.frombuffer(frame, np.uint8), array)
    for frame, array in zip(frames[1:], Message.decode(frames).arrays.values(), strict=True):
        assert np.shares_memory(np.frombuffer(frame, np.uint8), array)


@pytest.mark.parametrize("shift", range(1, 8))
def test_a_frame_at_any_address_gives_an_aligned_array(shift: int) -> None:
    frames = [bytes(frame) for frame in good().encode()]
    moved = [memoryview(bytes(shift) + frame)[shift:] for frame in frames]
    back = Message.decode(moved)
    assert same(back, good())
    assert all(array.flags.aligned for array in back.arrays.values())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10, dtype=np.uint32)[::2],
        np.arange(10, dtype=np.int64)[::-1],
        np.arange(4, dtype=">u4"),
        np.array([], np.float64),
    ],
)
def test_strided_and_big_endian_arrays_arrive_with_their_values(array: np.ndarray[Any, Any]) -> None:
    frames = [bytes(frame) for frame in Message("x", arrays={"a": array}).encode()]
    np.testing.assert_array_equal(Message.decode(frames).arrays["a"], array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.uint32),
        np.array(1, np.int64),
        np.zeros(2, np.float16),
        np.zeros(2, np.bool_),
        np.array(["x"]),
        np.zeros(1, [("a", np.int64)]),
    ],
)
def test_an_array_without_a_form_on_the_wire_is_not_sent(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"array 'a': .* cannot be sent"):
        Message("x", arrays={"a": array}).encode()


@pytest.mark.parametrize(
    "message",
    [
        Message("x", arrays={"a": np.zeros(wire.MAX_MESSAGE_BYTES, np.uint8)}),
        Message("x", body={"a": "b" * wire.MAX_HEADER_BYTES}),
    ],
)
def test_what_no_receiver_would_take_is_not_sent(message: Message) -> None:
    with pytest.raises(
        MessageTooLong, match=r"a message of kind x would have .* put fewer frames in a block"
    ):
        message.encode()


def changed(**header: Any) -> list[bytes]:
    """The frames of the good message with another header."""
    frames = [bytes(frame) for frame in good().encode()]
    return [msgpack.packb(header_of(good()) | header), *frames[1:]]


def changed_each(key: str, *values: Any) -> list[list[bytes]]:
    """The good message, with each of these values in its header in turn."""
    return [changed(**{key: value}) for value in values]


def without(key: str) -> list[bytes]:
    header = header_of(good())
    del header[key]
    return [msgpack.packb(header)]


NO_INTEGERS: list[Any] = [-1, 1.0, True, "1", None, [], 2**63, 2**64 - 1]
ARRAY_LISTS: list[list[Any]] = [
    [],
    [["offsets", "i8", 4]],
    [["offsets", "i8", 4], ["words", "u4", 5], ["more", "u4", 0]],
    [["offsets", "i8", 4], ["offsets", "u4", 5]],
    [["offsets", "i8", 4], ["words", "u4", 4]],
    [["offsets", "i8", 4], ["words", "u4", 6]],
    [["offsets", "i8", 4], ["words", "i8", 5]],
    [["offsets", "i8", 4], ["words", "O", 5]],
    [["offsets", "i8", 4], ["words", ">u4", 5]],
    [["offsets", "i8", 4], ["words", "u4"]],
    [["offsets", "i8", 4], ["words", "u4", 5, 1]],
    [["offsets", "i8", 4], ["words", "u4", -5]],
    [["offsets", "i8", 4], ["words", "u4", 5.0]],
    [["offsets", "i8", 4], ["words", "u4", True]],
    [["offsets", "i8", 4], ["words", "u4", 2**62]],
    [["offsets", "i8", 4], [1, "u4", 5]],
    [["offsets", "i8", 4], ["words", ["u4"], 5]],
    [["offsets", "i8", 4], "words"],
    [["offsets", "i8", 4], None],
]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"hello"],
        [b"\xc1"],
        [b"\x91" * 60_000],
        [b"\xdd\xff\xff\xff\xff"],
        [b"\xdf\xff\xff\xff\xff"],
        [b"\xc6\xff\xff\xff\xff"],
        [msgpack.packb("x" * 2 * wire.MAX_HEADER_BYTES)],
        [msgpack.packb([1, 2, 3])],
        [msgpack.packb({})],
        [msgpack.packb({1: 2})],
        [msgpack.packb({"v": 1})],
        *map(without, header_of(good())),
        changed(more=1),
        *changed_each("v", 0, 2, 1.0, True, "1", None, -1),
        *changed_each("run", *NO_INTEGERS),
        *changed_each("seq", *NO_INTEGERS),
        *changed_each("n_frames", *NO_INTEGERS),
        *changed_each("kind", 1, None, b"x", ["x"]),
        *changed_each("menu", 1, None, b"x", ["x"]),
        *changed_each("body", None, [], "x", 1),
        *changed_each("arrays", None, {}, "x", 2, *ARRAY_LISTS),
        [bytes(good().encode()[0])],
        [bytes(frame) for frame in good().encode()] + [b""],
        [bytes(frame) for frame in good().encode()][::-1],
    ],
)
def test_frames_that_are_no_message_are_malformed(frames: Sequence[bytes]) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Message.decode(frames)
    assert "\n" not in str(caught.value)


def is_refused_or_whole(frames: Sequence[bytes]) -> None:
    """Decode; whatever is not refused is a message that encodes to as many bytes of arrays."""
    try:
        message = Message.decode(frames)
    except MalformedMessage:
        return
    assert [array.nbytes for array in message.arrays.values()] == [len(frame) for frame in frames[1:]]
    for name in ("run", "burst", "epoch", "seq", "first_frame", "n_frames"):
        assert type(getattr(message, name)) is int
        assert 0 <= getattr(message, name) < 2**63
    message.encode()


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_random_bytes_are_no_message(frames: list[bytes]) -> None:
    with pytest.raises(MalformedMessage):
        Message.decode(frames)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(sorted(header_of(good()))), JUNK, max_size=3))
def test_a_header_with_other_values_is_refused_or_read_whole(junk: dict[str, Any]) -> None:
    is_refused_or_whole(changed(**junk))


MUTATIONS: list[Callable[[bytearray, int, int], None]] = [
    lambda frame, where, bit: frame.__setitem__(where, frame[where] ^ 1 << bit),
    lambda frame, where, _bit: frame.__delitem__(slice(where, None)),
    lambda frame, where, _bit: frame.__delitem__(where),
    lambda frame, where, bit: frame.insert(where, bit),
]


@settings(max_examples=500)
@given(st.integers(0, 2), st.integers(0, 10**6), st.integers(0, 7), st.sampled_from(MUTATIONS))
def test_a_mutated_message_is_refused_or_read_whole(
    which: int, where: int, bit: int, mutate: Callable[[bytearray, int, int], None]
) -> None:
    frames = [bytearray(frame) for frame in good().encode()]
    mutate(frames[which], where % len(frames[which]), bit)
    is_refused_or_whole([bytes(frame) for frame in frames])


@pytest.mark.parametrize("length", [2**31, 2**40, 2**62])
def test_a_huge_claimed_length_allocates_nothing(length: int) -> None:
    frames = changed(arrays=[["offsets", "i8", length], ["words", "u4", length]])
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage):
            Message.decode(frames)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
