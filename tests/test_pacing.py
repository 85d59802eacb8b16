"""Pacing from one anchor, with a clock of the test's own."""

from __future__ import annotations

import pytest

from streams.stages.pacing import NAP_S, Pacer
from trigger.clock import FRAME_S


class Clock:
    """Monotonic seconds that pass only when somebody sleeps, or the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_a_block_is_released_when_its_last_frame_is_over(speed: float) -> None:
    clock = Clock()
    pacer = Pacer(speed, clock=clock, sleep=clock.sleep)
    pacer.start()
    for block in range(1, 50):
        pacer.wait(1024 * block)
        assert clock.now - 1000.0 == pytest.approx(1024 * block * FRAME_S / speed, abs=1e-9)


def test_a_stall_is_caught_up_and_does_not_shift_what_follows() -> None:
    clock = Clock()
    pacer = Pacer(1.0, clock=clock, sleep=clock.sleep)
    pacer.start()
    for block in range(1, 100):
        clock.now += 0.05 if block % 10 == 0 else 0.0
        pacer.wait(1024 * block)
    assert clock.now - 1000.0 == pytest.approx(99 * 1024 * FRAME_S, abs=1e-9)


def test_without_a_speed_nothing_waits() -> None:
    clock = Clock()
    pacer = Pacer(None, clock=clock, sleep=clock.sleep)
    pacer.start()
    pacer.wait(10**9)
    assert clock.naps == []


def test_a_long_wait_is_made_of_naps_and_can_be_ended_between_them() -> None:
    clock = Clock()
    looks = []

    def check() -> None:
        looks.append(clock.now)
        if len(looks) == 3:
            raise InterruptedError

    pacer = Pacer(1.0, check, clock, clock.sleep)
    pacer.start()
    with pytest.raises(InterruptedError):
        pacer.wait(10**9)
    assert clock.naps == [NAP_S] * 3
