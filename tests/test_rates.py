"""Counts and rates: errors that toys confirm, counts that a naive twin confirms, states that never change."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalogue import load_experiment
from streams.counts import L0Counts
from streams.exchange import L0Output, SpillStart, StageTotals
from streams.monitors.rates import advance, count_rows, downscaled_rate, fresh, rate
from trigger.clock import FRAME_S
from trigger.l0.fates import FATES
from trigger.l0.registers import CONTROL, N_DETECTORS, N_MASKS, N_ROWS
from trigger.l0.triggers import ACCOUNTS, Triggers

NA62 = load_experiment("na62")
BEAM_DETECTOR = NA62.beam.intensity_detector
START = SpillStart("na62", 1, 2, 0, 300, {BEAM_DETECTOR: 36, "LKr": 0})
TOYS = 20_000


@pytest.mark.parametrize("mean", [10.0, 1000.0])
def test_the_error_of_a_rate_is_the_spread_of_poisson_toys(mean: float) -> None:
    counts = np.random.default_rng(1).poisson(mean, TOYS)
    time_s = 0.5
    quoted = np.array([rate(int(n), time_s) for n in counts])
    assert quoted[:, 0].std() == pytest.approx(math.sqrt(np.mean(quoted[:, 1] ** 2)), rel=0.03)
    assert quoted[:, 0].mean() == pytest.approx(mean / time_s, rel=0.01)


def test_of_no_count_the_error_is_that_of_one() -> None:
    assert rate(0, 2.0) == (0.0, 0.5)


@pytest.mark.parametrize("downscaling", [1, 2, 8, 100, 400, 10_000])
@pytest.mark.parametrize("mean", [100.0, 3000.0, 1e5])
def test_the_error_after_downscaling_is_the_distance_of_toys_from_the_true_rate(
    mean: float, downscaling: int
) -> None:
    rng = np.random.default_rng(1)
    # Any phase between the firings and the end of the spill is as likely.
    means = mean * rng.uniform(0.5, 1.5, TOYS) if downscaling > 1 else np.full(TOYS, mean)
    counts = rng.poisson(means)
    time_s = 0.5
    quoted = np.array([downscaled_rate(int(n), int(n) // downscaling, downscaling, time_s) for n in counts])
    distance = quoted[:, 0] - means / downscaling / time_s
    assert math.sqrt(np.mean(distance**2)) == pytest.approx(math.sqrt(np.mean(quoted[:, 1] ** 2)), rel=0.05)


@given(st.integers(0, 10**9))
def test_a_downscaling_of_1_changes_neither_rate_nor_error(count: int) -> None:
    assert downscaled_rate(count, count, 1, 0.3) == pytest.approx(rate(count, 0.3))


def test_without_beam_there_are_no_rates() -> None:
    assert rate(0, 0.0) == downscaled_rate(0, 0, 400, 0.0) == (0.0, 0.0)


def naive_rows(triggers: Triggers) -> list[int]:
    """Count one trigger and one flag at a time."""
    rows = [0] * N_ROWS
    for flags, word in zip(triggers.flags.tolist(), triggers.word.tolist(), strict=True):
        for mask in range(N_MASKS):
            rows[mask] += flags >> mask & 1
        rows[CONTROL] += word >> 4 & 1
    return rows


def triggers_of(flags: list[int], words: list[int]) -> Triggers:
    return Triggers(
        np.arange(len(flags), dtype=np.int64),
        np.array(flags, np.uint16),
        np.array(words, np.uint8),
        np.zeros((0, 3, N_DETECTORS), np.uint32),
    )


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), st.sampled_from([0x01, 0x10, 0x11])), max_size=30))
def test_rows_are_counted_as_one_by_one(fired: list[tuple[int, int]]) -> None:
    triggers = triggers_of([flags for flags, _ in fired], [word for _, word in fired])
    assert count_rows(triggers).tolist() == naive_rows(triggers)


def output(
    first_frame: int, n_frames: int, beam: int, span: tuple[int, int] | None, flags: list[int]
) -> L0Output:
    """L0's answer to a block after `beam` primitives of the detector that measures the beam since SOB."""
    rows = np.full(N_ROWS, first_frame, np.int64)
    return L0Output(
        first_frame,
        n_frames,
        triggers_of(flags, [0x01] * len(flags)),
        L0Counts(rows, rows, rows, rows, rows, dict.fromkeys(ACCOUNTS, first_frame), dict.fromkeys(FATES, 0)),
        {
            "source": StageTotals(first_frame + 1, {BEAM_DETECTOR: beam}, 0.1),
            "l0": StageTotals(first_frame, {BEAM_DETECTOR: beam}, 0.2),
        },
        span,
    )


def test_a_spill_begins_with_nothing() -> None:
    now = fresh(START)
    assert (now.frames, now.triggers_seen, now.intensity_hz, now.span) == (0, 0, 0.0, None)
    assert now.beam_s == now.position_s == 0.0
    assert now.stages["l0"].primitives == {BEAM_DETECTOR: 0, "LKr": 0}
    assert set(now.counts.account.values()) == {0}


def test_answers_add_up_to_the_state_of_the_spill() -> None:
    now = fresh(START)
    for answer in (
        output(0, 100, 10, (40, 90), [1, 3]),
        output(100, 100, 30, None, []),
        output(200, 100, 36, (200, 250), [0x8000]),
        output(300, 0, 36, None, [1]),
    ):
        now = advance(now, answer, NA62)
    assert (now.frames, now.triggers_seen) == (300, 4)
    assert now.position_s == 300 * FRAME_S
    assert now.span == (40, 250)
    assert now.beam_s == pytest.approx(211 * FRAME_S)
    assert now.beam_span_s == pytest.approx((40 * FRAME_S, 251 * FRAME_S))
    assert now.seen[[0, 1, 15]].tolist() == [3, 1, 1]
    assert now.stages["monitor"].blocks == 3
    assert now.counts.before[0] == 300
    assert (now.stages["source"].blocks, now.stages["l0"].busy_s) == (301, 0.2)


def test_the_intensity_is_that_of_the_last_block_and_stays_at_the_end() -> None:
    now = advance(fresh(START), output(0, 100, 10, None, []), NA62)
    per_particle = NA62.beam.primitives_per_beam_particle
    assert now.intensity_hz == pytest.approx(10 / (100 * FRAME_S) / per_particle)
    now = advance(now, output(100, 50, 30, None, []), NA62)
    assert now.intensity_hz == pytest.approx(20 / (50 * FRAME_S) / per_particle)
    assert advance(now, output(150, 0, 30, None, []), NA62).intensity_hz == now.intensity_hz


def test_without_the_detector_that_measures_it_the_intensity_is_not_a_number() -> None:
    start = replace(START, primitives={"LKr": 0})
    assert math.isnan(advance(fresh(start), output(0, 100, 0, None, []), NA62).intensity_hz)


def test_a_state_does_not_change_when_the_next_one_is_made() -> None:
    first = advance(fresh(START), output(0, 100, 10, (1, 2), [1]), NA62)
    seen = (first.seen.copy(), first.stages["monitor"].blocks, first.span, first.frames)
    advance(first, output(100, 100, 20, (150, 160), [1, 1]), NA62)
    np.testing.assert_array_equal(first.seen, seen[0])
    assert (first.stages["monitor"].blocks, first.span, first.frames) == seen[1:]
