"""What holds of every search: lines, spectra, regions, tables, and the document that is made of them."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from streams.catalogue import load_menu
from streams.spill.layout import HITS
from trigger.l1.events import DETECTORS
from trigger.particles import M_ELECTRON_GEV, M_KAON_GEV, M_MUON_GEV, M_PION_GEV
from trigger.reconstruct.candidates import KINDS
from trigger.searches.catalogue import SEARCHES, find_search
from trigger.searches.document import searches_document
from trigger.searches.search import (
    GEV,
    PARENTS_PER_KAON,
    PEAK,
    SQUARED_GEV2,
    STEPS_PER_SIGMA,
    THREE_BODY,
    Search,
)

EVERY = pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)

ENDS_GEV = {
    "k_pi_mumu": (2 * M_MUON_GEV, M_KAON_GEV - M_PION_GEV),
    "k_pi_gg": (0.0, M_KAON_GEV - M_PION_GEV),
    "k_pi_ee": (2 * M_ELECTRON_GEV, M_KAON_GEV - M_PION_GEV),
    "pi0_dark_photon": (2 * M_ELECTRON_GEV, 0.135),
    "k_pi_aa": (2 * M_ELECTRON_GEV, (M_KAON_GEV - M_PION_GEV) / 2),
    "k_pi_s": (4 * M_ELECTRON_GEV, M_KAON_GEV - M_PION_GEV),
    "k_e_n": (0.0, M_KAON_GEV - M_ELECTRON_GEV),
    "k_mu_n": (0.0, M_KAON_GEV - M_MUON_GEV),
    "pi_e_n": (0.0, M_PION_GEV - M_ELECTRON_GEV),
    "k_mu_nu_x": (0.0, M_KAON_GEV - M_MUON_GEV),
    "k_pi_x": (0.0, M_KAON_GEV - M_PION_GEV),
    "pi0_inv": (0.0, M_KAON_GEV - M_PION_GEV),
}
"""Where the phase space ends: nothing of a spectrum lies beyond, but for the resolution."""


def masses(search: Search) -> list[float]:
    """All hypotheses, or the places of the peaks of a channel."""
    found = [mass for region in search.regions for mass in search.masses(region).tolist()]
    return found or [mass for mass, _ in search.resolution]


def test_names_are_unique_and_channels_come_last() -> None:
    names = [search.name for search in SEARCHES]
    assert len(set(names)) == len(names) == 15
    assert [search.channel is not None for search in SEARCHES] == [False] * 12 + [True] * 3


@EVERY
def test_a_search_says_what_it_is(search: Search) -> None:
    assert search.title
    assert search.reference
    assert search.backgrounds
    assert search.kind in KINDS
    assert search.unit in (GEV, SQUARED_GEV2)
    assert search.shape in (PEAK, THREE_BODY)
    assert search.parent in PARENTS_PER_KAON
    # Each cut has a source, or is chosen.
    assert "chosen" in search.selection or "reference" in search.selection or "that of" in search.selection


@EVERY
def test_its_lines_are_in_the_menu_of_2018_and_nested(search: Search) -> None:
    menu, _ = load_menu("na62-2018")
    lines = {line.name: line for _row, line in menu.rows}
    assert set(search.lines) <= set(lines)
    conditions = [set(lines[name].condition.split(" & ")) for name in search.lines]
    # The first asks for all that the others ask for, and is downscaled less.
    assert all(condition <= conditions[0] for condition in conditions)
    assert lines[search.lines[0]].downscaling == min(lines[name].downscaling for name in search.lines)


@EVERY
def test_it_needs_parts_of_a_spill_file(search: Search) -> None:
    parts = {"beam", "clusters", "rings", *(f"{HITS}/{name}" for name in DETECTORS)}
    assert set(search.needs) <= parts
    assert "hits/STRAW" in search.needs


@EVERY
def test_bins_are_at_most_a_quarter_of_the_best_resolution(search: Search) -> None:
    assert search.axis.width <= min(search.sigma(mass) for mass in masses(search)) / 4


@EVERY
def test_the_spectrum_is_wider_than_the_scan_by_eleven_standard_deviations_where_there_is_phase_space(
    search: Search,
) -> None:
    if search.channel is not None:
        return
    low, high = masses(search)[0], masses(search)[-1]
    first, last = ENDS_GEV[search.name]
    begin, end = (
        search.observable_of(low) - 11 * search.sigma(low),
        search.observable_of(high) + 11 * search.sigma(high),
    )
    assert search.axis.low <= max(begin, search.observable_of(first))
    assert search.axis.high >= min(end, search.observable_of(last) + 2 * search.sigma(high))


@EVERY
def test_every_hypothesis_lies_in_the_spectrum_and_in_what_may_be_fitted(search: Search) -> None:
    for region in search.regions:
        low, high = region.fit
        assert search.axis.low <= low < high <= search.axis.high
        for mass in search.masses(region):
            assert search.axis.low < search.observable_of(mass) < search.axis.high
            if search.expected is None:
                assert low <= search.observable_of(mass) <= high
            window = search.window(region, mass)
            assert low <= window[0] < window[1] <= high
        assert 1 <= region.order <= 4
    spans = sorted(region.fit for region in search.regions)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


@EVERY
def test_hypotheses_are_as_close_as_the_resolution_and_the_step_ask(search: Search) -> None:
    for region in search.regions:
        found = search.masses(region)
        assert (found[0], found[-1]) == (region.low_gev, pytest.approx(region.high_gev, rel=1e-12))
        for mass, step in zip(found[:-1], np.diff(found), strict=True):
            sharp = search.shape == PEAK
            most = (
                min(search.step_gev, search.sigma_mass_gev(mass) / STEPS_PER_SIGMA)
                if sharp
                else search.step_gev
            )
            # Not much closer either: a scan costs time.
            assert 0.9 * most < step * len(found) / (len(found) - 1)
            assert step <= most * (1 + 1e-9)
        assert len(found) <= 1000


@EVERY
def test_tables_are_in_order_and_sane(search: Search) -> None:
    for table in (search.resolution, search.acceptance, search.pile_up):
        places = [place for place, _ in table]
        assert places == sorted(set(places))
        assert all(value > 0 for _, value in table)
    assert all(value < 1 for _, value in search.acceptance)
    assert search.acceptance_at(search.acceptance[0][0], search.pile_up[0][0]) == pytest.approx(
        search.acceptance[0][1] * search.pile_up[0][1]
    )


@EVERY
def test_its_normalisation_is_a_channel_of_the_catalogue(search: Search) -> None:
    channel = find_search(search.normalisation)
    assert channel.channel is not None
    assert 0.0 < channel.channel.branching_ratio < 1.0
    low, high = channel.channel.counted
    assert channel.axis.low <= low < high <= channel.axis.high
    peak = channel.observable_of(channel.resolution[0][0])
    # All of the core of the peak is counted.
    assert min(peak - low, high - peak) > 4 * channel.sigma(channel.resolution[0][0])
    assert len(channel.acceptance) == 1
    # What it needs is all that its searches need, but for vetoes: a search that is active can be normalised.
    assert {*channel.needs} - {*search.needs} <= {"rings"}


def test_a_known_background_is_stated_for_data_and_for_simulated_spills() -> None:
    search = find_search("pi0_inv")
    assert search.expected_in(False) is search.expected
    assert search.expected_in(True) is search.expected_simulated
    assert find_search("k_pi_x").expected_in(True) is None
    both = find_search("k_mu_nu_x")
    assert both.expected_in(True) == both.expected_in(False) == both.expected


def test_a_three_body_signal_is_counted_from_its_mass_on() -> None:
    search = find_search("k_mu_nu_x")
    region = search.regions[0]
    low, high = region.fit
    assert search.window(region, 0.01) == (low, high)
    assert search.window(region, 0.37) == (0.37**2, high)
    assert search.window(region, sqrt(low) - 1e-6) == (low, high)


def test_the_document_is_current() -> None:
    path = Path(__file__).parents[1] / "docs" / "searches.md"
    assert path.read_text(encoding="utf-8") == searches_document(), (
        "python -m trigger.searches.document > docs/searches.md"
    )
