"""Which decays an efficiency is of, and whose trigger it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_efficiency import crosses, in_acceptance, naive_match

from streams.efficiency.acceptance import crosses_chambers, in_pinunu, products_of, usual_acceptance
from streams.efficiency.matching import WINDOW_LSB, match
from streams.spill.layout import SpillError
from streams.spill.reader import SpillReader
from trigger.clock import LSB_NS

# Whose trigger it is.

TIMES = st.lists(st.integers(0, 800), max_size=25).map(sorted)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(TIMES, TIMES, st.sampled_from([0, 5, 40, 128]))
def test_matching_is_that_of_the_obvious_search(decays: list[int], entries: list[int], window: int) -> None:
    found = match(np.array(decays, np.int64), np.array(entries, np.int64), window)
    assert found.tolist() == naive_match(decays, entries, window)


def matched(decays: list[int], entries: list[int]) -> list[int]:
    return [int(e) for e in match(np.array(decays, np.int64), np.array(entries, np.int64))]


def test_a_decay_and_its_trigger_are_at_most_12_and_a_half_ns_apart() -> None:
    assert WINDOW_LSB * LSB_NS <= 12.5 < (WINDOW_LSB + 1) * LSB_NS
    assert matched([1000], [1000 + WINDOW_LSB]) == [0]
    assert matched([1000], [1000 - WINDOW_LSB - 1]) == [-1]


def test_a_trigger_belongs_to_the_nearer_of_two_decays_alone() -> None:
    assert matched([1000, 1040], [1030]) == [-1, 0]


def test_a_decay_with_an_entry_of_its_own_does_not_take_that_of_its_neighbour() -> None:
    # Whether they fire a line is not asked: a decay that was vetoed stays so.
    assert matched([1000], [1003, 1090]) == [0]
    assert matched([1000, 1087], [1003, 1090]) == [0, 1]


# Acceptance.


def test_the_acceptance_of_pi_nu_nu_is_that_of_the_obvious_search(signal_spill: Path) -> None:
    with SpillReader(signal_spill) as reader:
        n = reader.header.n_frames
        decays = reader.optional.read_records("truth/decays", 0, n).records
        particles = reader.optional.read_records("truth/particles", 0, n).records
    found = in_pinunu(products_of(decays, particles, ""), particles)
    assert found.tolist() == [in_acceptance(decay, particles) for decay in decays]
    assert found.sum() > 100


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.floats(-0.3, 0.3),
    st.floats(-0.3, 0.3),
    st.floats(5, 70),
    st.floats(-100, 300),
    st.floats(-200, 200),
    st.floats(105e3, 200e3),
)
def test_a_pion_crosses_the_chambers_where_two_views_have_straws(
    px: float, py: float, pz: float, x: float, y: float, z: float
) -> None:
    p, start = (px, py, pz), (x, y, z)
    assert crosses_chambers(np.array([p]), np.array([start])).tolist() == [crosses(p, start)]


def test_a_pion_in_the_beam_pipe_or_beyond_the_straws_crosses_no_chamber() -> None:
    p = np.array([[0.09, 0.0, 75.0], [0.0, 0.0, 30.0], [0.9, 0.0, 30.0]])
    start = np.array([[21.0, 0.0, 120e3], [300.0, 300.0, 120e3], [0.0, 0.0, 120e3]])
    assert crosses_chambers(p, start).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("name", "parameters", "acceptance"),
    [
        ("K-pi-nunu", {}, "pinunu"),
        ("K-pi-X", {"to": "inv"}, "pinunu"),
        ("K-pi-X", {"to": "ee"}, "fiducial"),
        ("K-pi-pi0", {}, "fiducial"),
    ],
)
def test_the_narrow_acceptance_is_that_of_modes_with_a_pion_alone(
    name: str, parameters: dict[str, Any], acceptance: str
) -> None:
    assert usual_acceptance({"name": name, "parameters": parameters}) == acceptance


def test_particles_that_are_not_those_of_the_decays_are_refused(signal_spill: Path) -> None:
    with SpillReader(signal_spill) as reader:
        decays = reader.optional.read_records("truth/decays", 0, 300).records
        particles = reader.optional.read_records("truth/particles", 0, 300).records
    with pytest.raises(SpillError, match=r"x\.h5: /truth/decays and /truth/particles do not fit"):
        products_of(decays, particles[:-1], "x.h5")
