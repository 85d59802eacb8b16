"""Counts, rates and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streams.catalogue import load_experiment
from streams.monitors import rates
from streams.stages.exchange import L0Counts, L0Output, SpillStart, StageTotals
from trigger.clock import FRAME_S
from trigger.l0.registers import CONTROL, N_MASKS, N_ROWS
from trigger.l0.triggers import ACCOUNTS, Triggers

NA62 = load_experiment("na62")
START = SpillStart("na62", 1, 2, 0, 4096, ("CHOD", "RICH"))
TOYS = 20_000


def triggers(flags: list[int], word: list[int]) -> Triggers:
    n = len(flags)
    return Triggers(
        np.arange(n, dtype=np.int64),
        np.array(flags, np.uint16),
        np.array(word, np.uint8),
        np.zeros((0, 3, 7), np.uint32),
    )


def output(first: int, frames: int, chod: int, span: tuple[int, int] | None) -> L0Output:
    rows = np.zeros(N_ROWS, np.int64)
    counts = L0Counts(rows, rows, rows, dict.fromkeys(ACCOUNTS, 0))
    totals = StageTotals(1, {"CHOD": chod, "RICH": 0})
    return L0Output(first, frames, triggers([1, 3], [0x01, 0x11]), counts, totals, totals, span)


def test_rows_are_counted_bit_by_bit() -> None:
    rng = np.random.default_rng(5)
    flags, word = rng.integers(0, 2**16, 200).tolist(), rng.choice([0x01, 0x10, 0x11], 200).tolist()
    rows = rates.count_rows(triggers(flags, word))
    assert rows[:N_MASKS].tolist() == [sum(f >> m & 1 for f in flags) for m in range(N_MASKS)]
    assert rows[CONTROL] == sum(w >= 0x10 for w in word)
    assert rates.count_rows(triggers([], [])).tolist() == [0] * N_ROWS


def test_the_error_of_a_rate_is_the_spread_of_poisson_counts() -> None:
    counts = np.random.default_rng(1).poisson(400, TOYS)
    error = rates.rate(400, 2.0)[1]
    # The standard deviation of a sample of n has a relative error of 1/sqrt(2n).
    assert np.std(counts / 2.0) == pytest.approx(error, rel=5 / math.sqrt(2 * TOYS))


@pytest.mark.parametrize("downscaling", [2, 8, 100, 10_000])
@pytest.mark.parametrize("mean", [30_000.0, 3_000_000.0])
def test_the_error_after_downscaling_is_the_distance_from_the_rate_before_over_n(
    downscaling: int, mean: float
) -> None:
    counts = np.random.default_rng(2).poisson(mean, TOYS)
    distance = np.sqrt(np.mean((counts // downscaling - mean / downscaling) ** 2))
    error = rates.downscaled_rate(int(mean), int(mean) // downscaling, downscaling, 1.0)[1]
    if mean > downscaling**2:
        assert distance == pytest.approx(error, rel=5 / math.sqrt(2 * TOYS))
    else:
        # Fewer firings than steps are wide: where the spill ends in a step is not evenly spread.
        assert distance == pytest.approx(error, rel=0.5)


def test_a_downscaling_of_one_changes_neither_rate_nor_error() -> None:
    assert rates.downscaled_rate(123, 123, 1, 0.5) == rates.rate(123, 0.5)


def test_no_count_has_the_error_of_one_and_no_time_has_no_rate() -> None:
    assert rates.rate(0, 2.0) == (0.0, 0.5)
    assert rates.downscaled_rate(0, 0, 100, 2.0) == (0.0, 0.5 / 100)
    assert rates.rate(7, 0.0) == rates.downscaled_rate(7, 3, 2, 0.0) == (0.0, 0.0)


def test_a_snapshot_follows_the_spill_and_keeps_the_span_of_the_beam() -> None:
    now = rates.advance(rates.fresh(START), output(0, 1024, 0, None), NA62)
    assert (now.beam_s, now.beam_span_s, now.intensity_hz) == (0.0, None, 0.0)
    now = rates.advance(now, output(1024, 1024, 5000, (1500, 1600)), NA62)
    now = rates.advance(now, output(2048, 1024, 9000, (2048, 2050)), NA62)
    assert now.span == (1500, 2050)
    assert now.beam_s == pytest.approx(551 * FRAME_S)
    assert now.position_s == pytest.approx(3072 * FRAME_S)
    assert (now.triggers_seen, now.after_seen[0], now.after_seen[1], now.after_seen[CONTROL]) == (6, 6, 3, 3)


def test_the_intensity_is_that_of_the_last_block() -> None:
    now = rates.advance(rates.fresh(START), output(0, 1024, 5000, (0, 1023)), NA62)
    now = rates.advance(now, output(1024, 1024, 14_000, (1024, 2047)), NA62)
    per_particle = NA62.beam.primitives_per_beam_particle
    assert now.intensity_hz == pytest.approx(9000 / (1024 * FRAME_S) / per_particle)


def test_without_its_detector_the_intensity_is_not_a_number() -> None:
    start = SpillStart("na62", 1, 2, 0, 4096, ("RICH",))
    assert math.isnan(rates.advance(rates.fresh(start), output(0, 1024, 0, None), NA62).intensity_hz)
