"""Event building: the words of each window, and what a stream does not cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_l1 import DETECTORS, FRAME, Hit, NaiveEvent, NaiveStream, build_event

from trigger import frames
from trigger.clock import LSB_NS
from trigger.frames import FrameStream
from trigger.l1 import events
from trigger.l1.events import NOT_READ_OUT, Events, build_events, lsb_of

N_FRAMES = 6
END = N_FRAMES * FRAME

SIZES_LSB = (1, 2, 3, 100, 1000, FRAME // 2, FRAME, 3 * FRAME)


def stream_of(naive: NaiveStream) -> FrameStream:
    times = np.array([hit.time for hit in naive.hits], np.int64)
    ids = np.array([hit.id for hit in naive.hits], np.uint16)
    return FrameStream.pack(times, ids, naive.first_frame, naive.stop_frame - naive.first_frame)


def whole(*hits: tuple[int, int]) -> NaiveStream:
    """A stream of the whole spill."""
    return NaiveStream(0, N_FRAMES, sorted((Hit(*hit) for hit in hits), key=lambda hit: hit.time))


def window(begin_lsb: float, end_lsb: float) -> tuple[float, float]:
    """The window in ns that is [begin, end) in LSB; a tenth is far from a rounding error."""
    return (begin_lsb + 0.1) * LSB_NS, (end_lsb - 0.1) * LSB_NS


def build(
    times: Sequence[int],
    streams: Mapping[str, NaiveStream],
    windows: Mapping[str, tuple[float, float]],
    read_out: Sequence[bool] | None = None,
) -> Events:
    mask = None if read_out is None else np.array(read_out, bool)
    packed = {name: stream_of(one) for name, one in streams.items()}
    return build_events(np.array(times, np.int64), packed, windows, N_FRAMES, mask)


def words_of(found: Events, detector: str) -> list[list[int]]:
    hits = found.hits[DETECTORS.index(detector)]
    return [hits.words[b:e].tolist() for b, e in zip(hits.begin, hits.end, strict=True)]


def assert_is(found: Events, expected: Sequence[NaiveEvent]) -> None:
    """Compare events with the twin's: words, status, counts."""
    assert len(found) == len(expected)
    assert found.time_lsb.tolist() == [one.time for one in expected]
    for d, name in enumerate(DETECTORS):
        assert words_of(found, name) == [
            [hit.id << 16 | hit.time % FRAME for hit in one.hits[name]] for one in expected
        ]
        missing = [name in one.missing for one in expected]
        assert (found.status >> d & 1).tolist() == missing
        assert found.missing[name] == sum(missing)
    assert ((found.status & NOT_READ_OUT) != 0).tolist() == [not one.read_out for one in expected]


def test_detectors_have_the_numbers_of_the_twins() -> None:
    assert events.DETECTORS == DETECTORS
    assert events.EventHits._fields == tuple(name.lower() for name in DETECTORS)


def test_a_window_has_its_begin_and_not_its_end() -> None:
    time = 2 * FRAME + 500
    stream = whole(*((time + dt, dt + 1000) for dt in (-101, -100, -99, 0, 0, 298, 299, 300)))
    found = build([time], {"STRAW": stream}, {"STRAW": window(-100, 300)})
    assert [word >> 16 for word in words_of(found, "STRAW")[0]] == [900, 901, 1000, 1000, 1298, 1299]


def test_a_window_in_ns_is_rounded_outward_to_lsb() -> None:
    assert lsb_of((-10.0, 10.0)) == (-103, 103)
    assert lsb_of((1.0, 2.0)) == (10, 21)
    assert lsb_of((0.0, 0.01)) == (0, 1)


def test_windows_may_overlap_and_share_their_words() -> None:
    stream = whole(*((FRAME + 10 * i, i) for i in range(20)))
    found = build([FRAME + 50, FRAME + 50, FRAME + 60], {"KTAG": stream}, {"KTAG": window(-30, 30)})
    ids = [[word >> 16 for word in words] for words in words_of(found, "KTAG")]
    assert ids == [[2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7, 8]]


def test_a_window_crosses_frames_and_is_cut_at_both_ends_of_the_spill() -> None:
    stream = whole((0, 1), (FRAME - 1, 2), (FRAME, 3), (3 * FRAME, 4), (END - 1, 5))
    found = build([0, FRAME, END - 1], {"KTAG": stream}, {"KTAG": window(-2 * FRAME, 2 * FRAME)})
    ids = [[word >> 16 for word in words] for words in words_of(found, "KTAG")]
    assert ids == [[1, 2, 3], [1, 2, 3], [5]]
    assert not (found.status & 1).any()


def test_no_triggers_make_no_events() -> None:
    found = build([], {"KTAG": whole((5, 5))}, {"KTAG": window(-5, 5)}, read_out=[])
    assert len(found) == 0
    assert set(found.missing.values()) == {0}


def test_a_detector_without_stream_or_window_is_missing_in_all_events() -> None:
    found = build([5, 6, 7], {"KTAG": whole((5, 5)), "LAV": whole()}, {"LAV": window(-5, 5), "CHOD": (0, 1)})
    assert found.missing == {name: 0 if name == "LAV" else 3 for name in DETECTORS}
    assert found.status.tolist() == [0x7F & ~(1 << DETECTORS.index("LAV"))] * 3


def test_an_empty_stream_of_the_whole_spill_is_not_missing() -> None:
    found = build([0, END - 1], {"LAV": whole()}, {"LAV": window(-5, 5)})
    assert found.missing["LAV"] == 0
    assert words_of(found, "LAV") == [[], []]


def test_a_stream_that_does_not_cover_a_window_is_flagged_and_what_is_there_is_kept() -> None:
    stream = NaiveStream(1, 3, [Hit(FRAME, 1), Hit(3 * FRAME - 1, 2)])
    inside = [FRAME + 10, 2 * FRAME, 3 * FRAME - 20]
    outside = [0, FRAME - 20, FRAME + 9, 3 * FRAME - 19, 4 * FRAME]
    times = sorted(inside + outside)
    found = build(times, {"KTAG": stream}, {"KTAG": window(-10, 20)})
    assert [time for time, status in zip(times, found.status, strict=True) if status & 1] == outside
    assert found.missing["KTAG"] == len(outside)
    kept = dict(zip(times, words_of(found, "KTAG"), strict=True))
    assert [word >> 16 for word in kept[FRAME + 9]] == [1]
    assert [word >> 16 for word in kept[3 * FRAME - 19]] == [2]
    assert kept[0] == kept[4 * FRAME] == []


def test_a_trigger_that_is_not_read_out_is_flagged_and_the_others_are_not() -> None:
    found = build([5, 6, 7], {name: whole() for name in DETECTORS}, dict.fromkeys(DETECTORS, (-1.0, 1.0)))
    assert found.status.tolist() == [0, 0, 0]
    streams, windows = {"KTAG": whole((5, 1))}, {"KTAG": window(-9, 9)}
    found = build([5, 6, 7], streams, windows, read_out=[True, False, True])
    assert ((found.status & NOT_READ_OUT) != 0).tolist() == [False, True, False]
    assert found.missing["KTAG"] == 0
    assert (found.status & 1).tolist() == [0, 0, 0]


@st.composite
def places(draw: st.DrawFn, first_frame: int, stop_frame: int) -> int:
    """Draw a time in some frames, often at a border."""
    frame = draw(st.integers(first_frame, stop_frame - 1))
    return frame * FRAME + draw(st.sampled_from([0, 1, 100, FRAME - 1]) | st.integers(0, FRAME - 1))


@st.composite
def streams(draw: st.DrawFn) -> NaiveStream:
    """Draw a stream of some frames of the spill or beyond, or of none."""
    first = draw(st.sampled_from([0, 0, 0, 1, 2, N_FRAMES - 1]))
    stop = draw(st.sampled_from([N_FRAMES, N_FRAMES, N_FRAMES + 1, 3, 2, 1, first]))
    if stop <= first:
        return NaiveStream(first, first, [])
    hit = st.builds(Hit, places(first, stop), st.integers(0, 0xFFFF))
    hits = sorted(draw(st.lists(hit, max_size=15)), key=lambda one: one.time)
    return NaiveStream(first, stop, hits)


@st.composite
def spans(draw: st.DrawFn) -> tuple[float, float]:
    """Draw a window about the trigger time, before it or behind it."""
    begin = draw(st.sampled_from([-3 * FRAME, -FRAME, -1000, -100, -1, 0, 1, 100, 2 * FRAME]))
    return window(begin, begin + draw(st.sampled_from(SIZES_LSB)))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.data())
def test_events_agree_with_the_twins_for_any_streams_triggers_and_windows(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(DETECTORS), unique=True, max_size=3))
    named = {name: data.draw(streams()) for name in chosen}
    windows = {name: data.draw(spans()) for name in chosen if data.draw(st.integers(0, 9))}
    times = sorted(data.draw(st.lists(places(0, N_FRAMES), max_size=8)))
    expected = [build_event(time, named, windows, N_FRAMES) for time in times]
    for one in expected:
        one.read_out = data.draw(st.booleans())
    assert_is(build(times, named, windows, [one.read_out for one in expected]), expected)


@pytest.mark.parametrize("seed", range(4))
def test_events_agree_with_the_twins_for_dense_streams(seed: int) -> None:
    """Many words at the same times, windows that overlap many times."""
    rng = np.random.default_rng(seed)
    named, windows = {}, {}
    for name in DETECTORS:
        times = np.sort(rng.integers(0, 40, 400) * END // 40 + rng.integers(0, 200, 400))
        ids = rng.integers(0, 1 << 16, 400)
        named[name] = whole(*((int(t), int(i)) for t, i in zip(times, ids, strict=True)))
        begin = int(rng.integers(-2000, 100))
        windows[name] = window(begin, begin + int(rng.integers(1, 3000)))
    triggers = np.sort(rng.integers(0, 40, 60) * END // 40 + rng.integers(0, 200, 60)).tolist()
    assert_is(build(triggers, named, windows), [build_event(t, named, windows, N_FRAMES) for t in triggers])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.data())
def test_the_words_of_an_event_do_not_depend_on_how_the_stream_was_cut(data: st.DataObject) -> None:
    """A stream joined of pieces, and the triggers of a part of the spill with the frames that they need."""
    naive = data.draw(streams().filter(lambda one: (one.first_frame, one.stop_frame) == (0, N_FRAMES)))
    times = sorted(data.draw(st.lists(places(2, 4), min_size=1, max_size=8)))
    windows = {"MUV3": window(-FRAME, FRAME)}
    expected = words_of(build(times, {"MUV3": naive}, windows), "MUV3")
    cut = data.draw(st.integers(1, N_FRAMES - 1))
    packed = stream_of(naive)
    joined = frames.join([packed.cut(0, cut), packed.cut(cut, N_FRAMES)])
    for part in (joined, packed.cut(1, 5)):
        found = build_events(np.array(times, np.int64), {"MUV3": part}, windows, N_FRAMES)
        assert words_of(found, "MUV3") == expected
        assert found.missing["MUV3"] == 0
