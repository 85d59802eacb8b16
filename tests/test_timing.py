"""Lateness: quantiles to 5%, sums that add up, and a form that survives a message."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.timing import BINS_PER_DECADE, EDGES_S, LABELS, Lateness

TIMES_S = st.lists(st.floats(0.0, 200.0), min_size=1, max_size=200)


def lateness(times_s: list[float]) -> Lateness:
    late = Lateness()
    for time_s in times_s:
        late.add(time_s)
    return late


@given(TIMES_S, st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_a_quantile_is_that_of_the_times_to_the_next_edge(times_s: list[float], fraction: float) -> None:
    exact = float(np.quantile(times_s, fraction, method="inverted_cdf"))
    found = lateness(times_s).quantile_s(fraction)
    assert found is not None
    edge_s = max(exact * 10 ** (1 / BINS_PER_DECADE), EDGES_S[0])
    # The labels of the edges have four digits; above the last edge there is the worst time only.
    assert exact * 0.999 <= found <= max(edge_s * 1.001, max(times_s) if exact > EDGES_S[-1] else 0.0)


@given(TIMES_S, TIMES_S)
def test_two_add_up_to_that_of_all_times(a: list[float], b: list[float]) -> None:
    added, whole = lateness(a) + lateness(b), lateness([*a, *b])
    assert (added.bins, added.worst_s, added.n) == (whole.bins, whole.worst_s, whole.n)
    assert added.sum_s == pytest.approx(whole.sum_s)


def test_it_survives_json() -> None:
    late = lateness([0.0, 1e-5, 0.3, 1000.0])
    assert Lateness(**json.loads(json.dumps(vars(late)))) == late


def test_an_early_block_is_in_time_and_no_block_has_no_quantiles() -> None:
    assert lateness([-1.0]).worst_s == 0.0
    assert Lateness().as_dict() == {"median": None, "p99": None, "worst": None}


def test_a_copy_stays_when_the_original_goes_on() -> None:
    late = lateness([0.1])
    copy = late.copy()
    late.add(0.1)
    assert (copy.n, late.n) == (1, 2)


def test_edges_have_different_labels() -> None:
    assert len(set(LABELS)) == len(LABELS) == len(EDGES_S) + 1
