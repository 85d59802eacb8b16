"""Significances and tails: their closed forms, their limits, and what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_scan import tail_of, z_of
from scipy.stats import binom, norm, poisson

from trigger.statistics.significance import local_z, on_off_tail, p_of_z, poisson_tail, z_of_p


@pytest.mark.parametrize("d", [0.0, 1e-3, 0.3, 1.0, 30.0])
@pytest.mark.parametrize("b", [0.01, 0.7, 5.0, 100.0, 20_000.0])
def test_local_z_is_the_closed_form(b: float, d: float) -> None:
    for n in [
        0.0,
        0.4,
        1.0,
        3.0,
        10.0,
        b - 0.001,
        b + 1e-3,
        1.5 * b,
        b + 3 * math.sqrt(b),
        b + 8 * math.sqrt(b + d * d),
    ]:
        assert local_z(n, b, d) == pytest.approx(z_of(n, b, d), rel=1e-9, abs=1e-9)


@given(st.floats(1.0, 1e6), st.floats(0, 1), st.floats(-1e-3, 1e-3))
def test_near_the_background_local_z_is_the_excess_over_its_error(
    b: float, relative: float, z: float
) -> None:
    error = math.sqrt(b + (relative * b) ** 2)
    n = b + z * error
    assert local_z(n, b, relative * b) == pytest.approx((n - b) / error, rel=3e-3, abs=1e-10)


@pytest.mark.parametrize("d", [1e-2, 1e-4, 1e-6, 1e-9, 1e-12, 1e-160])
def test_a_vanishing_error_is_none(d: float) -> None:
    n, b = np.array([0.0, 1.0, 3.0, 12.0, 150.0]), np.array([2.0, 0.1, 3.0, 5.0, 100.0])
    assert local_z(n, b, d) == pytest.approx(local_z(n, b), rel=20 * d**2 + 1e-9)
    assert on_off_tail(n, b, d) == pytest.approx(poisson_tail(n, b), rel=1e3 * d**2 + 1e-9)


def test_a_deficit_is_negative_and_none_is_zero() -> None:
    assert local_z(0, 8) == pytest.approx(-4.0)
    assert local_z([5.0, 0.3], [5.0, 0.3], [1.0, 0.2]).tolist() == [0.0, 0.0]
    assert (local_z(np.arange(9), 9.0, 2.0) < 0).all()


def test_nothing_over_nothing_is_nothing_and_something_over_nothing_is_certain() -> None:
    assert local_z(0, 0) == 0.0
    assert local_z(1, 0) == math.inf
    assert on_off_tail(0, 0) == 1.0
    assert on_off_tail(1, 0) == 0.0


def test_over_an_empty_sideband_events_are_shared_by_chance() -> None:
    # Each of n events is in the window with probability 1/(1 + tau), if there are none in the sideband.
    tau = 4.0
    n = np.arange(1, 6)
    assert on_off_tail(n, 0.0, 1 / tau) == pytest.approx((1 + tau) ** -n.astype(float))
    assert local_z(n, 0.0, 1 / tau) == pytest.approx(np.sqrt(2 * n * math.log(1 + tau)))
    assert local_z(0, 0.0, 1 / tau) == 0.0


def test_p_and_z_are_those_of_a_gaussian() -> None:
    z = np.linspace(-5, 37, 50)
    assert p_of_z(z) == pytest.approx(norm.sf(z), rel=1e-12)
    assert z_of_p(p_of_z(z)) == pytest.approx(z, abs=1e-6)
    assert z_of_p(np.array([0.0, 0.5, 1.0])).tolist() == [math.inf, 0.0, -math.inf]


@pytest.mark.parametrize("b", [0.0, 1e-3, 2.0, 50.0, 1000.0])
def test_the_tail_of_a_known_background_is_poissons(b: float) -> None:
    n = np.array([0, 1, 2, 7, 60, 1100])
    assert poisson_tail(n, b) == pytest.approx(poisson.sf(n - 1, b), rel=1e-9)


@pytest.mark.parametrize(("b", "d"), [(0.0, 0.2), (0.3, 0.3), (2.0, 0.5), (7.0, 3.0), (90.0, 12.0)])
def test_the_tail_of_a_counted_background_is_the_negative_binomial_one(b: float, d: float) -> None:
    for n in [0, 1, 2, 5, 20, 130]:
        assert on_off_tail(n, b, d) == pytest.approx(tail_of(n, b, d), rel=1e-9)


@pytest.mark.parametrize(("n", "off", "tau"), [(1, 0, 3.0), (4, 3, 2.0), (9, 20, 5.0), (30, 7, 0.5)])
def test_the_tail_is_the_chance_of_so_many_of_all_events_to_fall_into_the_window(
    n: int, off: int, tau: float
) -> None:
    b, d = (off / tau, math.sqrt(off) / tau) if off else (0.0, 1 / tau)
    # Source: the sum over all ways to share n + off events of which n or more are in the window.
    assert on_off_tail(n, b, d) == pytest.approx(binom.sf(n - 1, n + off, 1 / (1 + tau)), rel=1e-9)


@pytest.mark.parametrize("tau", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("mean", [0.05, 0.8, 6.0])
def test_whatever_the_background_small_tails_are_as_rare_as_they_say(mean: float, tau: float) -> None:
    n, off = np.arange(60)[:, None], np.arange(200)[None, :]
    d = np.where(off > 0, np.sqrt(off), 1.0) / tau
    p = on_off_tail(n, off / tau, d)
    chance = poisson.pmf(n, mean) * poisson.pmf(off, mean * tau)
    for level in [0.3, 0.1, 0.01, 1e-4]:
        assert chance[p <= level].sum() <= level


def test_arrays_broadcast() -> None:
    n, b = np.arange(3.0)[:, None], np.array([1.0, 2.0])
    for function in (local_z, on_off_tail):
        result = function(n, b, 0.5)
        assert result.shape == (3, 2)
        assert result[2, 1] == function(2.0, 2.0, 0.5)
    assert poisson_tail(n, b).shape == (3, 2)
