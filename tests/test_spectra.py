"""The spectra of the searches: integer histograms, filled by a kernel, that add up in any order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.monitors import spectra
from trigger.searches.catalogue import SEARCHES

EVERYONE = np.ones(len(SEARCHES), np.bool_)


def entries(n: int, seed: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Entries of all searches, some of them below and above the axis."""
    rng = np.random.default_rng(seed)
    search = rng.integers(0, len(SEARCHES), n).astype(np.uint8)
    low, high = (np.array([getattr(s.axis, end) for s in SEARCHES])[search] for end in ("low", "high"))
    return search, (low + (high - low) * rng.uniform(-0.1, 1.1, n)).astype(np.float32)


def naive(search: NDArray[np.uint8], value: NDArray[np.float32], number: int) -> list[int]:
    axis = SEARCHES[number].axis
    counts = [0] * (axis.bins + 2)
    for x in value[search == number].astype(np.float64).tolist():
        k = int(np.floor((x - axis.low) * (1.0 / axis.width)))
        counts[min(max(k, -1), axis.bins) + 1] += 1
    return counts


def test_each_entry_is_in_the_bin_of_its_search_where_it_belongs() -> None:
    search, value = entries(3000)
    counts = spectra.empty()
    spectra.fill(counts, search, value, EVERYONE)
    for number in range(len(SEARCHES)):
        assert spectra.spectrum(counts, number).tolist() == naive(search, value, number)
    assert counts.sum() == len(search)


def test_a_search_that_is_not_active_gets_nothing() -> None:
    search, value = entries(1000)
    counts, active = spectra.empty(), EVERYONE.copy()
    active[3] = False
    spectra.fill(counts, search, value, active)
    assert spectra.spectrum(counts, 3).sum() == 0
    assert counts.sum() == (search != 3).sum()


def test_an_unknown_search_and_what_is_no_number_are_not_counted() -> None:
    counts = spectra.empty()
    spectra.fill(counts, np.array([255, 0], np.uint8), np.array([0.0, np.nan], np.float32), EVERYONE)
    assert counts.sum() == 0


@pytest.mark.parametrize("pieces", [1, 3, 17])
def test_pieces_added_in_any_order_are_one_pass_bit_for_bit(pieces: int) -> None:
    search, value = entries(2000)
    whole = spectra.empty()
    spectra.fill(whole, search, value, EVERYONE)
    parts = []
    for part in np.array_split(np.arange(len(search)), pieces):
        counts = spectra.empty()
        spectra.fill(counts, search[part], value[part], EVERYONE)
        parts.append(counts)
    order = np.random.default_rng(2).permutation(pieces)
    assert np.array_equal(sum((parts[k] for k in order), spectra.empty()), whole)
