"""The frame-packed stream: packing, cutting, joining, and what a well-formed stream is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trigger.clock import LSB_PER_FRAME
from trigger.frames import FrameError, FrameStream, join
from trigger.order import check, well_formed

N_FRAMES = 6
FIRST_FRAME = 3

# Few different times, so that many primitives share one.
times_in_frame = st.one_of(st.integers(0, LSB_PER_FRAME - 1), st.sampled_from([0, 1, 255, LSB_PER_FRAME - 1]))
primitives = st.lists(
    st.tuples(st.integers(FIRST_FRAME, FIRST_FRAME + N_FRAMES - 1), times_in_frame, st.integers(0, 0xFFFF)),
    max_size=40,
).map(lambda rows: [(frame * LSB_PER_FRAME + time, id16) for frame, time, id16 in rows])
cut_points = st.lists(st.integers(FIRST_FRAME, FIRST_FRAME + N_FRAMES), max_size=5).map(
    lambda points: [FIRST_FRAME, *sorted(points), FIRST_FRAME + N_FRAMES]
)


def pack(rows: list[tuple[int, int]]) -> FrameStream:
    times = np.array([time for time, _ in rows], np.int64)
    ids = np.array([id16 for _, id16 in rows], np.uint16)
    return FrameStream.pack(times, ids, FIRST_FRAME, N_FRAMES)


def pack_slowly(rows: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Offsets and words, a frame and a primitive at a time."""
    offsets, words = [0], []
    for frame in range(FIRST_FRAME, FIRST_FRAME + N_FRAMES):
        inside = [row for row in rows if row[0] // LSB_PER_FRAME == frame]
        words += [
            id16 * 65536 + time % LSB_PER_FRAME for time, id16 in sorted(inside, key=lambda row: row[0])
        ]
        offsets.append(len(words))
    return offsets, words


def same(left: FrameStream, right: FrameStream) -> bool:
    return (
        left.first_frame == right.first_frame
        and left.offsets.tolist() == right.offsets.tolist()
        and left.words.tolist() == right.words.tolist()
    )


@given(primitives)
def test_packing_agrees_with_packing_a_primitive_at_a_time(rows: list[tuple[int, int]]) -> None:
    stream = pack(rows)
    assert (stream.offsets.tolist(), stream.words.tolist()) == pack_slowly(rows)
    stream.check()


@given(primitives)
def test_unpacking_gives_the_primitives_back_with_equal_times_in_order_of_arrival(
    rows: list[tuple[int, int]],
) -> None:
    stream = pack(rows)
    unpacked = list(zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True))
    assert unpacked == sorted(rows, key=lambda row: row[0])


@given(primitives, cut_points)
def test_the_pieces_of_a_cut_stream_join_to_the_stream(rows: list[tuple[int, int]], cuts: list[int]) -> None:
    stream = pack(rows)
    pieces = [stream.cut(a, b) for a, b in pairwise(cuts)]
    for piece in pieces:
        piece.check()
    assert same(join(pieces), stream)


def test_a_cut_shares_the_words_of_the_stream() -> None:
    stream = pack([(FIRST_FRAME * LSB_PER_FRAME, 1), ((FIRST_FRAME + 1) * LSB_PER_FRAME, 2)])
    assert np.shares_memory(stream.cut(FIRST_FRAME + 1, FIRST_FRAME + 2).words, stream.words)


def test_the_last_lsb_of_a_frame_and_the_first_of_the_next_lie_in_different_frames() -> None:
    boundary = (FIRST_FRAME + 1) * LSB_PER_FRAME
    stream = pack([(boundary - 1, 1), (boundary, 2)])
    assert stream.offsets.tolist()[:3] == [0, 1, 2]


@pytest.mark.parametrize("time", [FIRST_FRAME * LSB_PER_FRAME - 1, (FIRST_FRAME + N_FRAMES) * LSB_PER_FRAME])
def test_a_time_outside_the_frames_cannot_be_packed(time: int) -> None:
    with pytest.raises(FrameError, match=f"time {time} LSB"):
        pack([(time, 1)])


@pytest.mark.parametrize("frames", [(2, 4), (4, 3), (5, 10)])
def test_a_range_that_is_not_inside_the_stream_cannot_be_cut(frames: tuple[int, int]) -> None:
    with pytest.raises(FrameError, match="not inside 3 to 9"):
        pack([]).cut(*frames)


def test_streams_with_a_gap_or_an_overlap_do_not_join() -> None:
    stream = pack([])
    for second in (5, 7):
        with pytest.raises(FrameError, match=f"frame {second} does not follow frame 5"):
            join([stream.cut(3, 6), FrameStream.empty(second, 1)])


@pytest.mark.parametrize(
    ("offsets", "words", "what"),
    [
        ([0, 1], [5, 6], "offsets do not run from 0"),
        ([1, 2], [5, 6], "offsets do not run from 0"),
        ([], [], "offsets do not run from 0"),
        ([0, 2, 1, 3], [5, 6, 7], "frame 4: offsets fall"),
        ([0, 9, 3], [5, 6, 7], "frame 4: offsets fall"),
        ([0, 1, 3], [9, 7, 6], "frame 4: words are not sorted"),
        ([0, 0, 2, 2], [7, 6], "frame 4: words are not sorted"),
    ],
)
def test_a_stream_that_is_not_well_formed_is_refused_with_its_frame(
    offsets: list[int], words: list[int], what: str
) -> None:
    stream = FrameStream(FIRST_FRAME, np.array(offsets, np.int64), np.array(words, np.uint32))
    for refuse in (stream.check, lambda: check(stream)):
        with pytest.raises(FrameError, match=what):
            refuse()


def test_times_may_fall_from_frame_to_frame_and_ids_within_one() -> None:
    words = np.array([0x0002_0009, 0x0001_0009, 0x0001_0003], np.uint32)
    check(FrameStream(0, np.array([0, 2, 2, 3], np.int64), words))


@given(
    st.lists(st.integers(-1, 6), max_size=6),
    st.lists(st.integers(0, 3).map(lambda n: n * 0x0001_8001), max_size=6),
)
@settings(max_examples=500)
def test_the_fast_check_of_a_stream_agrees_with_the_obvious_one(steps: list[int], words: list[int]) -> None:
    offsets = np.array([0, *steps, len(words)], np.int64)
    stream = FrameStream(0, offsets, np.array(words, np.uint32))
    assert bool(well_formed(stream.offsets, stream.words)) is obviously_well_formed(stream)


def obviously_well_formed(stream: FrameStream) -> bool:
    offsets = stream.offsets.tolist()
    if offsets != sorted(offsets):
        return False
    frames = [(stream.words[a:b] & 0xFFFF).tolist() for a, b in pairwise(offsets)]
    return all(times == sorted(times) for times in frames)
