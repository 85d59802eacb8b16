"""What the GTK says of the intensity, and the trigger lines per beam particle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_intensity import (
    CHOD_PER_PARTICLE,
    DETECTORS,
    LINES,
    NA62,
    NOMINAL_MHZ,
    Means,
    beam,
    monitor,
    naive_gtk,
)
from numpy.typing import NDArray

from streams.monitors.intensity import GTK, SpillMonitor
from trigger.frames import BLOCK_FRAMES
from trigger.intensity.duty import duty_factor
from trigger.intensity.gtk import GtkBins, bin_intensity, gtk_intensity
from trigger.intensity.lines import line_rate


def gtk_of(hits: NDArray[np.int64], bins: NDArray[np.int64], n_bins: int) -> GtkBins:
    """Sums of triggers by their bins."""
    return GtkBins(*(np.bincount(bins, w, n_bins).astype(np.int64) for w in (hits * 0 + 1, hits, hits**2)))


def triggers_in(mhz: Means, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hits and bins of n triggers that sample beams by their intensity; three hits are the trigger's own."""
    bins = rng.choice(len(mhz), n, p=mhz / mhz.sum())
    return 3 * rng.poisson(mhz[bins] * 0.045) + 3, bins


def test_the_gtk_gives_the_intensity_without_the_hits_of_the_trigger_itself() -> None:
    rng = np.random.default_rng(6)
    pulls = []
    for _ in range(60):
        found = gtk_intensity(gtk_of(*triggers_in(np.full(40, 600.0), 4000, rng), 40))
        assert found is not None
        assert found.error_mhz is not None
        assert found.duty is not None
        assert found.per_trigger is not None
        assert found.duty.corrected == pytest.approx(1, abs=5 * found.duty.error)
        assert found.per_trigger.corrected == pytest.approx(1, abs=5 * found.per_trigger.error)
        pulls.append((found.mean_mhz - 600) / found.error_mhz)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(60)
    assert np.std(pulls) == pytest.approx(1, abs=0.35)


def test_a_mean_over_triggers_is_higher_than_one_over_time_by_the_duty_factor() -> None:
    rng = np.random.default_rng(7)
    mhz = 600 * (1 + 0.6 * np.sin(np.linspace(0, 10 * np.pi, 300)))
    found = gtk_intensity(gtk_of(*triggers_in(mhz, 200_000, rng), 300))
    assert found is not None
    assert found.duty is not None
    assert found.mean_mhz == pytest.approx(600, rel=0.01)
    assert found.triggered_mhz == pytest.approx((mhz**2).mean() / mhz.mean(), rel=0.01)
    assert found.duty.corrected == pytest.approx(duty_factor(mhz), abs=5 * found.duty.error)
    weighted = (mhz**2).sum() ** 2 / (mhz.sum() * (mhz**3).sum())
    assert found.per_trigger is not None
    assert found.per_trigger.corrected == pytest.approx(weighted, abs=5 * found.per_trigger.error)


@given(st.lists(st.integers(0, 400), min_size=10, max_size=60))
def test_the_sums_of_the_gtk_say_what_the_hits_of_each_trigger_do(hits: list[int]) -> None:
    bins = gtk_of(np.array(hits, np.int64), np.zeros(len(hits), np.int64), 1)
    found = gtk_intensity(bins)
    mhz, raw, corrected = naive_gtk(hits) if sum(hits) else (-3 / 0.135, math.nan, math.nan)
    assert found is not None
    assert (found.mean_mhz, found.triggered_mhz) == pytest.approx((mhz, mhz))
    assert bin_intensity(bins)[0] == pytest.approx(mhz)
    if found.per_trigger is not None:
        assert (found.per_trigger.raw, found.per_trigger.corrected) == pytest.approx(
            (raw, corrected), rel=1e-6
        )


def test_without_triggers_the_gtk_says_nothing() -> None:
    assert gtk_intensity(GtkBins(*np.zeros((3, 5), np.int64))) is None
    assert np.isnan(bin_intensity(GtkBins(*np.zeros((3, 5), np.int64)))).all()


def test_the_gtk_is_an_estimator_of_its_own_in_the_report() -> None:
    made = monitor(beam(8, 0.1))
    hits, bins = triggers_in(np.full(20, NOMINAL_MHZ), 40_000, np.random.default_rng(8))
    sums = gtk_of(hits, bins, 20)
    # Bins may come in any order, and more than once in a call.
    made.add_gtk(bins, np.ones_like(hits), hits, hits**2)
    at_once = monitor(beam(8, 0.1))
    at_once.add_gtk(np.arange(20), sums.events, sums.hits, sums.squares)
    assert made.report() == at_once.report()
    report = made.report()
    assert report.gtk is not None
    assert report.gtk.mean_mhz == pytest.approx(NOMINAL_MHZ, rel=0.01)
    assert report.gtk == report.gtk_plateau
    _, mhz = made.intensity_by_time()
    assert np.nanmean(mhz[GTK]) == pytest.approx(NOMINAL_MHZ, rel=0.01)


# Trigger lines.


def test_live_fractions_and_line_rates_are_those_of_the_blocks() -> None:
    counts = beam(9, 0.1)
    made = SpillMonitor(DETECTORS, counts.shape[1], NA62, LINES)
    particles = []
    for i, first in enumerate(range(0, counts.shape[1], BLOCK_FRAMES)):
        block = counts[:, first : first + BLOCK_FRAMES]
        made.update(first, block, np.array([100 * i, 400]), np.array([100 * i, 1]), 90 + i, 10)
        particles.append(int(block[0].sum()) / CHOD_PER_PARTICLE)
    report, n = made.report(), len(particles)
    assert report.series.live == pytest.approx([(90 + i) / (100 + i) for i in range(n)])
    assert report.live == pytest.approx(report.triggers / (report.triggers + 10 * n))
    per_particle = report.series.line_per_particle
    assert per_particle["PNN"] == pytest.approx([100 * i / p for i, p in enumerate(particles)])
    assert per_particle["Control"] == pytest.approx([400 / p for p in particles])
    control = report.lines[1]
    assert (control.name, control.before, control.after) == ("Control", 400 * n, n)
    assert control.before_per_particle == pytest.approx(400 * n / sum(particles))
    assert control.after_per_particle == pytest.approx(n / sum(particles))


def test_the_error_of_a_line_rate_is_its_spread() -> None:
    rng = np.random.default_rng(10)
    before = rng.poisson(4000, 400)
    found = [line_rate("x", int(n), int(n) // 400, int(rng.poisson(90_000)), 0.01) for n in before]
    kept = line_rate("x", 4000, 4000, 90_000, 0.01)
    assert kept.after_error == pytest.approx(kept.before_error)
    rates = np.array([line.before_per_particle for line in found])
    assert np.std(rates) == pytest.approx(np.mean([line.before_error or 0 for line in found]), rel=0.15)
    after = np.array([line.after_per_particle for line in found])
    assert np.std(after) < np.mean([line.after_error or 0 for line in found])


def test_a_line_that_never_fired_has_the_error_of_one_firing() -> None:
    line = line_rate("x", 0, 0, 10_000, 0.01)
    assert (line.before_per_particle, line.after_per_particle) == (0, 0)
    assert line.before_error == line.after_error == pytest.approx(1e-6)
    assert line_rate("x", 5, 1, 0, 0.01).before_per_particle is None
