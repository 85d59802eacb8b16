"""Readout windows: intervals around triggers, and the hits that lie in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.simulate.settings import SimulationError
from streams.simulate.windows import inside, intervals, pack_windows, parse_windows
from trigger.clock import LSB_NS, LSB_PER_FRAME
from trigger.l1.events import lsb_of

DEFAULTS = {"STRAW": (-50.0, 275.0), "KTAG": (-25.0, 25.0)}

times = st.lists(st.integers(0, 3000), max_size=30).map(sorted)


@given(times, st.integers(-100, 50), st.integers(51, 200), st.lists(st.integers(-300, 3300), max_size=50))
def test_a_time_is_inside_if_some_trigger_is_as_far_from_it_as_the_window_says(
    triggers: list[int], begin: int, end: int, asked: list[int]
) -> None:
    ranges = intervals(np.array(triggers, np.int64), begin, end)
    assert (np.diff(ranges.ravel()) > 0).all()
    expected = [any(t + begin <= time < t + end for t in triggers) for time in asked]
    assert inside(np.array(asked, np.int64), ranges).tolist() == expected


@given(
    st.lists(st.tuples(st.integers(-50, 3 * LSB_PER_FRAME), st.integers(0, 0xFFFF)), max_size=60),
    st.lists(st.integers(0, 3 * LSB_PER_FRAME), max_size=5).map(sorted),
)
def test_packed_hits_are_those_in_windows_and_frames_sorted_by_time_and_id(
    drawn: list[tuple[int, int]], triggers: list[int]
) -> None:
    ranges = intervals(np.array(triggers, np.int64), -20_000, 20_000)
    hits = np.array([(time << 16) | identity for time, identity in drawn], np.int64)
    offsets, words = np.empty(3, np.int64), np.empty(len(hits), np.uint32)
    n = pack_windows(hits, ranges, offsets, words)
    expected = sorted(
        (time, identity)
        for time, identity in drawn
        if 0 <= time < 2 * LSB_PER_FRAME and any(-20_000 <= time - t < 20_000 for t in triggers)
    )
    frames = np.repeat(np.arange(2), np.diff(offsets))
    found = zip(
        (frames * LSB_PER_FRAME + (words[:n] & 0xFFFF)).tolist(), (words[:n] >> 16).tolist(), strict=True
    )
    assert list(found) == expected


def test_a_window_in_lsb_holds_the_window_in_ns() -> None:
    begin, end = lsb_of((-50.0, 275.0))
    assert begin * LSB_NS <= -50.0 < (begin + 1) * LSB_NS
    assert (end - 1) * LSB_NS < 275.0 <= end * LSB_NS


def test_a_window_that_is_given_takes_the_place_of_the_default() -> None:
    assert parse_windows(["STRAW=-10:300.5"], DEFAULTS) == {"STRAW": (-10.0, 300.5), "KTAG": (-25.0, 25.0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("STRAW", "window 'STRAW' is not NAME=BEGIN:END; write it as STRAW=-50:275, in ns"),
        ("STRAW=5", "is not NAME=BEGIN:END"),
        ("MUV9=1:2", "'MUV9' is not read out; known are STRAW, KTAG"),
        ("STRAW=a:2", "'a' is not a number; give ns"),
        ("STRAW=0:inf", "inf is not within 1000 ns"),
        ("STRAW=5:5", "is empty; give a BEGIN before its END"),
    ],
)
def test_a_wrong_window_is_an_error_that_names_it(text: str, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        parse_windows([text], DEFAULTS)
