"""Pacing: blocks are due from one fixed anchor, whatever happens between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.stages.pacing import CATCH_UP, JITTER_S, NAP_S, Pacer
from trigger.clock import FRAME_S

BLOCK = 1024
"""Frames; a block of 6.54 ms."""


class Clock:
    """A clock that moves only when someone sleeps, and `oversleep_s` too far when someone does."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.naps: list[float] = []
        self._oversleep_s = oversleep_s

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, time_s: float) -> None:
        assert time_s > 0
        self.naps.append(time_s)
        self.now_s += time_s + self._oversleep_s


def play(
    clock: Clock, speed: float | None, stalls_s: list[float], catch_up: float | None = CATCH_UP
) -> list[float]:
    """Play a block for each stall, which comes before it; return how late each was released."""
    pacer = Pacer(speed, catch_up, clock=clock, sleep=clock.sleep)
    clock.now_s += 5.0
    pacer.start()
    anchor_s = clock.now_s
    late = []
    for i, stall_s in enumerate(stalls_s):
        clock.now_s += stall_s
        pacer.wait((i + 1) * BLOCK)
        due = anchor_s + (i + 1) * BLOCK * FRAME_S / (speed or 1.0)
        late.append(clock.now_s - due)
    assert pacer.anchor_s == anchor_s
    return late


@pytest.mark.parametrize("speed", [0.1, 0.5, 1.0, 10.0])
def test_a_block_is_released_when_its_last_frame_is_over(speed: float) -> None:
    assert play(Clock(), speed, [0.0] * 700) == pytest.approx([0.0] * 700, abs=1e-9)


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_oversleeping_does_not_add_up(speed: float) -> None:
    late = play(Clock(oversleep_s=1e-4), speed, [0.0] * 700)
    assert max(late) <= 1e-4 + 1e-9
    assert late[-1] <= 1e-4 + 1e-9


@given(st.lists(st.floats(0, 0.05), min_size=1, max_size=50), st.sampled_from([0.5, 1.0, 10.0]))
def test_after_stalls_of_50_ms_the_blocks_catch_up_with_the_anchor(
    stalls_s: list[float], speed: float
) -> None:
    """At 1.05 times the speed, a stall takes 20 times its length to catch up."""
    blocks = int(25 * sum(stalls_s) * speed / (BLOCK * FRAME_S)) + 10
    late = play(Clock(), speed, [*stalls_s, *[0.0] * blocks])
    assert min(late) >= -1e-9
    assert late[-1] == pytest.approx(0.0, abs=1e-9)


@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.05, 1.0]), max_size=100),
    st.sampled_from([0.5, 1.0, 10.0]),
)
def test_after_a_stall_blocks_never_follow_each_other_faster_than_allowed(
    stalls_s: list[float], speed: float
) -> None:
    """But for what a timer may be late, which is no stall."""
    late = play(Clock(oversleep_s=1e-4), speed, [*stalls_s, *[0.0] * 300])
    period_s = BLOCK * FRAME_S / speed
    released_s = [late_s + i * period_s for i, late_s in enumerate(late)]
    assert min(np.diff(released_s), default=period_s) >= period_s / CATCH_UP - JITTER_S - 1e-9


def test_without_a_limit_a_stall_is_caught_up_at_once() -> None:
    late = play(Clock(), 1.0, [0.0, 0.5, *[0.0] * 100], catch_up=None)
    assert late[1] == pytest.approx(0.5 - BLOCK * FRAME_S)
    assert late[80:] == pytest.approx([0.0] * 22, abs=1e-9)


def test_spills_in_a_row_have_one_anchor() -> None:
    clock = Clock()
    pacer = Pacer(1.0, clock=clock, sleep=clock.sleep)
    begin = clock.now_s
    for frames in range(BLOCK, 50 * BLOCK, BLOCK):
        pacer.wait(frames)
    assert clock.now_s - begin == pytest.approx(49 * BLOCK * FRAME_S)
    clock.now_s += 3.0
    pacer.start(50 * BLOCK)
    pacer.wait(51 * BLOCK)
    assert pacer.late_s(51 * BLOCK) == pytest.approx(0.0, abs=1e-9)
    assert clock.now_s - begin == pytest.approx(50 * BLOCK * FRAME_S + 3.0)


def test_a_late_block_does_not_wait() -> None:
    clock = Clock()
    play(clock, 1.0, [BLOCK * FRAME_S + 1e-6] * 20)
    assert clock.naps == []


def test_as_fast_as_it_goes_never_waits() -> None:
    clock = Clock()
    play(clock, None, [0.0] * 10)
    assert clock.naps == []


def test_a_long_wait_looks_often_whether_to_go_on() -> None:
    looks = []
    clock = Clock()
    pacer = Pacer(0.001, None, lambda: looks.append(clock()), clock, clock.sleep)
    pacer.start()
    pacer.wait(BLOCK)
    assert max(clock.naps) <= NAP_S
    assert len(looks) == len(clock.naps) == 131
    assert clock() - pacer.anchor_s == pytest.approx(BLOCK * FRAME_S / 0.001)


def test_what_the_check_raises_ends_the_wait() -> None:
    class Enough(Exception):  # noqa: N818
        pass

    def check() -> None:
        raise Enough

    clock = Clock()
    pacer = Pacer(1e-300, None, check, clock, clock.sleep)
    pacer.start()
    with pytest.raises(Enough):
        pacer.wait(BLOCK)
    assert clock.naps == []
