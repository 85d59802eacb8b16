"""The panels of a search: its spectrum with errors, background and pulls, its p-values and limits."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import lines, panel, xy
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.stats import chi2, norm
from snapshot_cases import (
    BINS,
    HIGH,
    LOW,
    PI0_GEV2,
    REGIONS,
    SIGMA,
    SINGLE_EVENT,
    excess,
    full_snapshot,
    scan,
    search,
    spectrum,
)

from streams.monitors.snapshot import ScannedRegion, ScanRows, Snapshot
from streams.monitors.uhi import to_uhi
from streams.plots.monitors_scan import (
    LIMIT_NAMES,
    LOWEST_P,
    ONE_SIGMA_COLOUR,
    TWO_SIGMA_COLOUR,
    draw_limits,
    draw_p_values,
    segments,
)
from streams.plots.monitors_spectrum import (
    draw_pulls,
    draw_spectrum,
    poisson_errors,
    pulls,
    rebinned,
    shown_range,
)

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def full() -> Snapshot:
    return full_snapshot(step_gev=4e-3)


def test_errors_of_counts_are_the_central_poisson_intervals() -> None:
    n = np.arange(60.0)
    down, up = poisson_errors(n)
    tail = norm.sf(1)
    np.testing.assert_allclose(n[1:] - down[1:], chi2.ppf(tail, 2 * n[1:]) / 2, rtol=1e-9)
    np.testing.assert_allclose(n + up, chi2.isf(tail, 2 * n + 2) / 2, rtol=1e-9)
    assert (down[0], up[0]) == (0.0, pytest.approx(1.841, abs=1e-3))


def test_pulls_are_gaussian_where_there_are_many_entries() -> None:
    generator = np.random.default_rng(1)
    background = np.full(20_000, 400.0)
    values = pulls(generator.poisson(background).astype(float), background)
    assert values.mean() == pytest.approx(0, abs=4 / np.sqrt(20_000))
    assert values.std() == pytest.approx(1, abs=4 / np.sqrt(40_000))
    np.testing.assert_allclose(pulls(np.array([420.0]), np.array([400.0])), 1.0, rtol=0.01)


def test_pulls_of_few_entries_are_roots_of_the_likelihood_ratio_and_none_without_background() -> None:
    counts = np.array([0.0, 3.0, 2.0, 1.0, 5.0])
    background = np.array([0.5, 0.5, 2.0, 0.0, np.nan])
    by_hand = [-np.sqrt(2 * 0.5), np.sqrt(2 * (3 * np.log(3 / 0.5) - 3 + 0.5)), 0.0, np.nan, np.nan]
    np.testing.assert_allclose(pulls(counts, background), by_hand)


@given(
    st.lists(st.integers(0, 1000), min_size=4, max_size=80),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.integers(1, 30),
)
def test_bins_are_joined_without_losing_any_but_what_does_not_fill_the_last(
    counts: list[int], part: tuple[float, float], most: int
) -> None:
    low, high = -1.0, 3.0
    n = len(counts) - 2
    width = (high - low) / n
    first, last = (low + (high - low) * place for place in sorted(part))
    if last - first < 1.5 * width:
        return
    background = tuple(float(count) for count in counts[1:-1])
    found = rebinned(to_uhi(np.array(counts), low, high), background, (first, last), most)
    begin, end = round((first - low) / width), round((last - low) / width)
    join = round(found.width / width)
    assert len(found.counts) <= most
    assert found.counts.sum() == sum(counts[1 + begin : 1 + begin + join * len(found.counts)])
    assert 0 <= end - begin - join * len(found.counts) < join
    np.testing.assert_allclose(found.edges[0], low + begin * width)
    np.testing.assert_array_equal(found.background, found.counts)


def test_a_joined_bin_has_a_background_only_if_all_of_it_is_fitted() -> None:
    found = rebinned(
        to_uhi(np.ones(10, np.int64), 0.0, 8.0), (1.0, 2.0, 3.0, *[None] * 3, 4.0, 5.0), (0.0, 8.0), 4
    )
    np.testing.assert_array_equal(found.background, [3.0, np.nan, np.nan, 9.0])


def test_the_shown_part_has_all_masses_with_their_sidebands_and_the_fit(full: Snapshot) -> None:
    found, rows = excess(full, fitted_density=None)
    at = [entry for entry in rows.at if entry is not None]
    assert shown_range(found, LOW, HIGH) == pytest.approx((min(at) - 11 * SIGMA, max(at) + 11 * SIGMA))
    fitted: list[float | None] = [None] * BINS
    fitted[1700] = 1.0
    found, _ = excess(full, fitted_density=tuple(fitted))
    assert shown_range(found, LOW, HIGH)[1] == pytest.approx(LOW + 1701 * (HIGH - LOW) / BINS)
    assert shown_range(full.search("k2pi"), LOW, HIGH) == (LOW, HIGH)


def test_a_scan_is_drawn_region_by_region(full: Snapshot) -> None:
    found, rows = excess(full)
    first, second = segments(found)
    assert [rows.mass_gev[first][0], rows.mass_gev[second][0]] == [REGIONS[0][1], REGIONS[1][1]]
    assert first.stop == second.start
    assert second.stop == len(rows.mass_gev)


def test_p_values_are_drawn_at_their_masses_with_the_largest_excess_and_its_global_p_value(
    full: Snapshot,
) -> None:
    found, rows = excess(full)
    axes = panel()
    draw_p_values(axes, found)
    found_lines = lines(axes)
    first = next(segments(found))
    drawn = np.array([1e3 * np.array(rows.mass_gev, float), np.array(rows.p_local, float)]).T[first]
    np.testing.assert_allclose(found_lines["local p-value"], drawn)
    assert found.largest is not None
    mass = 1e3 * found.largest.mass_gev
    np.testing.assert_allclose(found_lines["largest excess"], np.array([[mass, found.largest.p_local]]))
    np.testing.assert_allclose(
        found_lines["its global p-value"], np.array([[mass, found.largest.p_global]], float)
    )
    assert mass == pytest.approx(200, abs=5)


def test_lines_of_significance_lie_at_their_p_values(full: Snapshot) -> None:
    axes = panel()
    draw_p_values(axes, full.search("few"))
    dashed = [xy(line)[0, 1] for line in axes.get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed, norm.sf([1, 2, 3]))
    assert [text.get_text() for text in axes.texts] == [r"1$\sigma$", r"2$\sigma$", r"3$\sigma$"]


def test_a_p_value_that_is_too_small_is_a_triangle_at_the_end_of_the_axis(full: Snapshot) -> None:
    found, rows = excess(full)
    small = tuple(1e-40 if row == 5 else p for row, p in enumerate(rows.p_local))
    found, _ = excess(full, p_local=small)
    axes = panel()
    draw_p_values(axes, found)
    (triangle,) = [line for line in axes.get_lines() if line.get_marker() == "v"]
    mass = rows.mass_gev[5]
    assert mass is not None
    np.testing.assert_allclose(xy(triangle), np.array([[1e3 * mass, LOWEST_P]]))
    assert axes.get_ylim()[0] < LOWEST_P


def bands(axes: Axes) -> dict[str, tuple[Floats, str]]:
    """Corners and colour of the bands that have a name."""
    found = [c for c in axes.collections if isinstance(c, PolyCollection)]
    return {
        str(c.get_label()): (np.asarray(c.get_paths()[0].vertices, np.float64), to_hex(c.get_facecolor()[0]))  # type: ignore[arg-type]
        for c in found
    }


def test_limits_are_of_the_branching_ratio_if_there_is_one_else_of_events(full: Snapshot) -> None:
    found, rows = excess(full)
    for expected_br, limit_br, factor, name in (
        (rows.expected_br, rows.limit_br, SINGLE_EVENT, "90% CL upper limit on branching ratio"),
        (None, None, 1.0, "90% CL upper limit on signal events"),
    ):
        found, _ = excess(full, expected_br=expected_br, limit_br=limit_br)
        axes = panel()
        draw_limits(axes, found)
        assert axes.get_ylabel() == name
        found_lines = lines(axes)
        first = next(segments(found))
        masses = 1e3 * np.array(rows.mass_gev[first], float)
        events = np.array(rows.limit[first], float)
        np.testing.assert_allclose(found_lines["observed"], np.array([masses, factor * events]).T, rtol=1e-5)
        median = np.array(rows.expected, float)[first, 2]
        np.testing.assert_allclose(
            found_lines["expected median"], np.array([masses, factor * median]).T, rtol=1e-5
        )


def test_bands_of_one_and_two_sigma_are_green_and_yellow_around_the_median(full: Snapshot) -> None:
    found, rows = excess(full)
    axes = panel()
    draw_limits(axes, found)
    expected = np.array(rows.expected_br, float)[next(segments(found))]
    for name, colour, low, high in (
        (LIMIT_NAMES[2], ONE_SIGMA_COLOUR, 1, 3),
        (LIMIT_NAMES[3], TWO_SIGMA_COLOUR, 0, 4),
    ):
        corners, drawn = bands(axes)[name]
        y = corners[:, 1]
        assert (y.min(), y.max()) == pytest.approx((expected[:, low].min(), expected[:, high].max()))
        assert drawn == colour


def test_masses_that_were_not_scanned_are_hatched(full: Snapshot) -> None:
    found, rows = excess(full)
    axes = panel()
    draw_limits(axes, found)
    (hatched,) = [patch for patch in axes.patches if patch.get_hatch()]
    lost = [1e3 * m for m, p in zip(rows.mass_gev, rows.p_local, strict=True) if p is None and m is not None]
    left, right = hatched.get_extents().transformed(axes.transData.inverted()).intervalx
    assert left < min(lost) <= max(lost) < right


def test_a_region_of_one_mass_can_be_seen() -> None:
    counts = spectrum(100.0)
    rows = scan(counts, 100.0)
    one = {name: (row[80:81] if row is not None else None) for name, row in rows}
    single = ScanRows.model_validate(one | {"fitted_density": None})
    mass = single.mass_gev[0]
    found = search(
        "pi0_inv", counts, single, regions=(ScannedRegion(name="pi0", low_gev=mass, high_gev=mass),)
    )
    axes = panel()
    draw_limits(axes, found)
    x = bands(axes)[LIMIT_NAMES[2]][0][:, 0]
    assert x.max() - x.min() == pytest.approx(2.0)
    points = panel()
    draw_p_values(points, found)
    assert [line.get_marker() for line in points.get_lines() if line.get_label() == "local p-value"] == ["s"]


def test_the_spectrum_has_its_peaks_its_fit_and_its_regions(full: Snapshot) -> None:
    found = full.search("busy")
    assert found.scan is not None
    axes = panel()
    bins = rebinned(full.histograms["busy"], found.scan.fitted_density, (LOW, HIGH), 200)
    draw_spectrum(axes, found, bins)
    entries = xy(axes.get_lines()[0])
    assert entries[np.argmax(entries[:, 1]), 0] == pytest.approx(PI0_GEV2, abs=SIGMA)
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["R1", "R2"]
    below = panel()
    draw_pulls(below, found, bins)
    bars = [
        bar for bar in below.patches[1:] if isinstance(bar, Rectangle)
    ]  # the first one is the band of +-1
    heights = np.array([bar.get_height() for bar in bars])
    assert len(heights) == np.isfinite(bins.background).sum()
    assert np.abs(heights).max() < 5


def test_few_entries_are_drawn_on_a_linear_axis_and_none_at_all_as_nothing(full: Snapshot) -> None:
    for name in ("few", "none"):
        axes = panel()
        bins = rebinned(full.histograms[name], None, (LOW, HIGH), 200)
        draw_spectrum(axes, full.search(name), bins)
        assert axes.get_yscale() == "linear"
        assert len(xy(axes.get_lines()[0])) == (bins.counts > 0).sum()


def test_without_background_there_are_no_pulls(full: Snapshot) -> None:
    found = full.search("none")
    for background in (None, (0.0,) * BINS):
        axes = panel()
        draw_pulls(axes, found, rebinned(full.histograms["few"], background, (LOW, HIGH), 200))
        assert [text.get_text() for text in axes.texts] == ["no background to compare with"]
        assert not axes.patches
