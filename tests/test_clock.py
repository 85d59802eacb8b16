from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigger.clock import (
    FRAME_BITS,
    FRAME_S,
    LSB_NS,
    LSB_PER_FRAME,
    LSB_PER_TICK,
    TICK_BITS,
    TICK_NS,
    TICKS_PER_FRAME,
    frames_in,
    lsb,
    seconds,
)

LONGEST_SPILL_S = 30.0


def test_an_lsb_is_the_clock_period_over_256() -> None:
    assert pytest.approx(0.0974650763, abs=1e-10) == LSB_NS
    assert LSB_NS * LSB_PER_TICK == TICK_NS


def test_a_frame_is_256_ticks_of_256_lsb_or_6_39_microseconds() -> None:
    assert LSB_PER_FRAME == LSB_PER_TICK * TICKS_PER_FRAME == 1 << FRAME_BITS
    assert pytest.approx(6.387e-6, abs=5e-10) == FRAME_S


def test_the_bits_split_a_time_into_frame_tick_and_fine_time() -> None:
    time = (7 * TICKS_PER_FRAME + 13) * LSB_PER_TICK + 200
    assert time >> FRAME_BITS == 7
    assert (time >> TICK_BITS) % TICKS_PER_FRAME == 13


@given(st.integers(0, round(LONGEST_SPILL_S / (LSB_NS * 1e-9))))
def test_a_time_survives_the_way_to_seconds_and_back(time_lsb: int) -> None:
    assert lsb(seconds(time_lsb)) == time_lsb


@given(st.integers(0, 5_000_000))
def test_n_frames_need_n_frames_and_one_lsb_more_needs_another(n: int) -> None:
    assert frames_in(seconds(n * LSB_PER_FRAME)) == n
    assert frames_in(seconds(n * LSB_PER_FRAME + 1)) == n + 1


def test_a_nominal_spill_of_4_8_s_has_751_472_frames() -> None:
    assert frames_in(4.8) == 751_472
