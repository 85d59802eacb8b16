"""Comparing two lists of triggers: what counts as a difference, and how it is explained."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.formats.golden_l0 import DETECTORS, read
from trigger.l0.comparison import Difference, compare, decode, explain
from trigger.l0.triggers import Triggers

SAMPLE = Path(__file__).parent / "golden_l0" / "edges-b2-c1-ref4-s915.json.gz"


@cache
def read_sample() -> Triggers:
    return read(SAMPLE).expected


def drop(triggers: Triggers, index: int) -> Triggers:
    keep = np.arange(len(triggers)) != index
    return Triggers(triggers.time_lsb[keep], triggers.flags[keep], triggers.word[keep], triggers.slots[keep])


def spoil(triggers: Triggers, field: str, index: tuple[int, ...], flip: int) -> Triggers:
    values = getattr(triggers, field).copy()
    values[index] ^= flip
    return replace(triggers, **{field: values})


def test_one_missing_trigger_is_one_difference() -> None:
    expected = read(SAMPLE).expected
    assert compare(expected, drop(expected, 60)) == [Difference(60, None)]
    assert compare(drop(expected, 60), expected) == [Difference(None, 60)]


def test_each_field_is_compared() -> None:
    expected = read(SAMPLE).expected
    for field, index, flip in (("time_lsb", (5,), 1), ("flags", (6,), 4), ("word", (7,), 0x10)):
        assert compare(expected, spoil(expected, field, index, flip)) == [Difference(index[0], index[0])]
    for slot in range(3):
        spoilt = spoil(expected, "slots", (8, slot, 6), 1 << 16)
        assert compare(expected, spoilt) == [Difference(8, 8)]


def test_a_trigger_at_another_tick_is_one_missing_and_one_extra() -> None:
    expected = read(SAMPLE).expected
    moved = spoil(expected, "time_lsb", (9,), 1 << 8)
    assert {d.kind for d in compare(expected, moved)} == {"missing", "extra"}


def test_triggers_out_of_order_are_differences() -> None:
    expected = read(SAMPLE).expected
    order = np.arange(len(expected))
    order[[20, 21]] = order[[21, 20]]
    found = Triggers(*(getattr(expected, f)[order] for f in ("time_lsb", "flags", "word", "slots")))
    assert compare(expected, found) == [Difference(20, None), Difference(None, 21)]


def order_by(triggers: Triggers, order: list[int]) -> Triggers:
    return Triggers(*(getattr(triggers, f)[order] for f in ("time_lsb", "flags", "word", "slots")))


@given(st.data())
def test_lists_differ_unless_they_are_the_same_and_by_no_more_than_they_must(
    data: st.DataObject,
) -> None:
    triggers = order_by(read_sample(), list(range(6)))
    a, b = (data.draw(st.lists(st.integers(0, 5), max_size=7)) for _ in range(2))
    differences = compare(order_by(triggers, a), order_by(triggers, b))
    assert (differences == []) == (a == b)
    if unique(a, b):
        assert len(differences) == len(a) + len(b) - 2 * longest_common(a, b)


def unique(*lists: list[int]) -> bool:
    return all(len(set(rows)) == len(rows) for rows in lists)


def longest_common(a: list[int], b: list[int]) -> int:
    """Length of the longest common subsequence, by its definition."""
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + longest_common(a[1:], b[1:])
    return max(longest_common(a[1:], b), longest_common(a, b[1:]))


def test_no_triggers_can_be_compared() -> None:
    expected = read(SAMPLE).expected
    none = Triggers(expected.time_lsb[:0], expected.flags[:0], expected.word[:0], expected.slots[:0])
    assert compare(none, none) == []
    assert len(compare(expected, none)) == len(compare(none, expected)) == len(expected) > 0


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("fine time", 54, "54"),
        ("flags", 0x41, "0x0041 (masks 0, 6)"),
        ("flags", 0x8000, "0x8000 (mask 15)"),
        ("flags", 0, "0x0000 (no mask)"),
        ("word", 0x11, "0x11 (physics + control)"),
        ("word", 0x24, "0x24 (0x24)"),
        ("word", 0, "0x00 (nothing)"),
        ("LKr N-1", 0x4001, "0x4001 (bits 0, 14)"),
    ],
)
def test_values_are_explained_by_their_bits(field: str, value: int, text: str) -> None:
    assert decode(field, value) == text


def test_a_difference_is_explained_with_its_detector_and_slot() -> None:
    expected = read(SAMPLE).expected
    found = spoil(spoil(expected, "slots", (8, 1, 6), 0x4001 << 16), "flags", (8,), 1)
    tick = int(expected.time_lsb[8]) >> 8
    head, flags, ids = explain(Difference(8, 8), expected, found, DETECTORS)
    assert head == f"trigger 9 of 178 differs: timestamp {tick} (frame {tick >> 8})"
    was = int(expected.flags[8])
    assert flags == f"flags: expected {decode('flags', was)}, found {decode('flags', was ^ 1)}"
    was = int(expected.ids[8, 1, 6])
    assert ids == f"LKr N-1: expected {decode('LKr N-1', was)}, found {decode('LKr N-1', was ^ 0x4001)}"
