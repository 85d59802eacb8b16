"""What L1 hands to the monitors: entries and GTK hits, collected and sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.findings import UNKNOWN_HITS, Findings, FindingsBook
from streams.wire.message import MalformedMessage, Message
from trigger.clock import LSB_NS
from trigger.intensity.bins import BIN_S


def some() -> Findings:
    book = FindingsBook()
    book.add(np.array([1, 0], np.uint8), np.array([0.5, -1.0], np.float32))
    book.add_gtk(np.array([10, 20], np.int64), np.array([30, 40], np.uint16))
    return book.take()


def test_findings_come_back_from_a_message_as_they_were() -> None:
    found = some()
    back = Findings.of(Message.decode(Message("triggers", arrays=found.arrays()).encode()))
    assert back is not None
    for name, array in vars(found).items():
        assert np.array_equal(getattr(back, name), array), name


def test_a_message_without_findings_has_none() -> None:
    assert Findings.of(Message("triggers")) is None


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("value", np.zeros(1, np.float32)),
        ("value", np.zeros(2, np.float64)),
        ("gtk_hits", np.zeros(3, np.int64)),
        ("gtk_bin", np.zeros(1, np.int32)),
    ],
)
def test_an_array_of_another_type_or_length_is_malformed_and_named(name: str, array: np.ndarray) -> None:
    arrays = replace(some(), **{name: array}).arrays()
    with pytest.raises(MalformedMessage, match=r"found\."):
        Findings.of(Message("triggers", arrays=arrays))


def test_a_missing_array_is_malformed() -> None:
    arrays = some().arrays()
    del arrays["found.value"]
    with pytest.raises(MalformedMessage, match=r"found\.value"):
        Findings.of(Message("triggers", arrays=arrays))


def test_what_was_taken_does_not_come_again() -> None:
    book = FindingsBook()
    book.add(np.array([1], np.uint8), np.array([0.5], np.float32))
    assert len(book.take().search) == 1
    assert len(book.take().search) == 0


@given(
    st.lists(st.tuples(st.integers(0, 3 * 10**8), st.integers(0, 300) | st.just(UNKNOWN_HITS)), max_size=50)
)
def test_gtk_hits_are_summed_by_bins_of_time_and_unknown_ones_left_out(events: list[tuple[int, int]]) -> None:
    events.sort()
    times = np.array([time for time, _ in events], np.int64)
    hits = np.array([n for _, n in events], np.uint16)
    book = FindingsBook()
    book.add_gtk(times, hits)
    found = book.take()
    expected: dict[int, list[int]] = {}
    for time, n in events:
        if n != UNKNOWN_HITS:
            sums = expected.setdefault(int(time * (LSB_NS * 1e-9 / BIN_S)), [0, 0, 0])
            sums[0], sums[1], sums[2] = sums[0] + 1, sums[1] + n, sums[2] + n * n
    columns = zip(found.gtk_events, found.gtk_hits, found.gtk_squares, strict=True)
    assert (
        dict(zip(found.gtk_bin.tolist(), [[int(x) for x in row] for row in columns], strict=True)) == expected
    )
