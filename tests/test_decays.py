"""Decays: conservation, closed forms of spectra, branching fractions, lifetimes.

A chi2 of a spectrum has 40 bins of equal probability, so 39 degrees of freedom, and may be 39 + 4 sqrt(78) = 74.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from decay_sample import make
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from streams.simulate.decays.catalogue import Catalogue, standard_modes
from streams.simulate.decays.shapes import three_body_weight
from streams.simulate.decays.tables import SEMILEPTONIC
from streams.simulate.stack import END_Z, ENERGY, MOTHER, PDG, X, Z
from trigger.particles import (
    EXOTIC,
    GAMMA,
    M_ELECTRON_GEV,
    M_KAON_GEV,
    M_MUON_GEV,
    M_PI0_GEV,
    M_PION_GEV,
    NEUTRINO,
    PION,
)

Floats = Any
BINS = 40
MOST_CHI2 = 39 + 4 * np.sqrt(78)
SIGNALS = (
    "K-pi-X:mass=0.2,br=1", "K-pi-X:mass=0.25,br=1,to=mumu", "K-pi-aa:mass=0.017,br=1", "K-e-N:mass=0.3,br=1",
    "K-pi-S:mass=0.2,mass2=0.05,br=1", "K-mu-N:mass=0.25,br=1,to=pi-e", "K-mu-nu-X:mass=0.1,br=1,to=ee",
    "pi-e-N:mass=0.11,br=1", "pi0-gamma-Ap:mass=0.05,br=1", "pi0-inv:br=1",
)  # fmt: skip


def p4(stacks: Floats, row: int) -> Floats:
    """float64[n, 4]: px, py, pz, E."""
    return stacks[:, row, :4]


def mass(p: Floats) -> Floats:
    return np.sqrt(np.maximum(p[:, 3] ** 2 - (p[:, :3] ** 2).sum(axis=1), 0))


def at_rest(p: Floats, frame: Floats) -> Floats:
    """Energies float64[n] of particles in the rest frames of others."""
    m = mass(frame)
    return (p[:, 3] * frame[:, 3] - (p[:, :3] * frame[:, :3]).sum(axis=1)) / m


def parent_of(mode: str) -> int:
    return PION if mode.startswith("pi-") else 321


@pytest.mark.parametrize("signal", [*(f"{mode.name}:br=1" for mode in standard_modes()), *SIGNALS])
@settings(max_examples=5)
@given(seed=st.integers(0, 2**40))
def test_momentum_and_charge_are_conserved_at_each_decay(signal: str, seed: int) -> None:
    sample, _ = make(20, signal, parent=parent_of(signal), seed=seed, rows=20)
    for stack, count in zip(sample.stacks, sample.counts, strict=True):
        mothers = stack[1:count, MOTHER].astype(int)
        for mother in set(mothers):
            products = stack[1:count][mothers == mother]
            np.testing.assert_allclose(products[:, :4].sum(axis=0), stack[mother, :4], rtol=1e-9, atol=1e-9)
        pdg = stack[:count, PDG].astype(int)
        final = [row for row in range(1, count) if row not in mothers]
        charges = [(1 if p > 0 else -1) * (-1 if abs(p) in (11, 13) else abs(p) in (211, 321)) for p in pdg]
        assert sum(charges[row] for row in final) == 1


@pytest.mark.parametrize(
    ("mode", "m1", "m2"),
    [
        ("K-mu-nu", M_MUON_GEV, 0.0),
        ("K-pi-pi0", M_PION_GEV, M_PI0_GEV),
        ("K-e-nu", M_ELECTRON_GEV, 0.0),
        ("pi-mu-nu", M_MUON_GEV, 0.0),
        ("pi-e-nu", M_ELECTRON_GEV, 0.0),
    ],
)
def test_a_decay_in_two_has_its_momentum_and_no_preferred_direction(mode: str, m1: float, m2: float) -> None:
    parent = parent_of(mode)
    sample, _ = make(2000, f"{mode}:br=1", parent=parent)
    beam, one = p4(sample.stacks, 0), p4(sample.stacks, 1)
    big = M_KAON_GEV if parent == 321 else M_PION_GEV
    expected = (big**2 + m1**2 - m2**2) / (2 * big)
    np.testing.assert_allclose(at_rest(one, beam), expected, rtol=1e-9)
    # The energy in the laboratory is a straight line in the cosine, so uniform.
    momentum = np.sqrt(expected**2 - m1**2)
    p_beam = np.sqrt(beam[:, 3] ** 2 - big**2)
    cosine = (one[:, 3] * big - beam[:, 3] * expected) / (p_beam * momentum)
    assert cosine.min() >= -1.0001
    assert abs(cosine.mean()) < 4 / np.sqrt(3 * len(cosine))
    assert (cosine**2).mean() == pytest.approx(1 / 3, abs=4 * np.sqrt(4 / 45 / len(cosine)))


@pytest.mark.needs_jit
@pytest.mark.parametrize(("mode", "low", "high"), [("K-mu-nu", 3.4, 75.0), ("K-pi-pi0", 6.5, 68.9)])
def test_the_energy_in_the_laboratory_has_its_limits(mode: str, low: float, high: float) -> None:
    """For a kaon of 75 GeV/c; the beam spreads by 1%, so the limits do."""
    sample, _ = make(50_000, f"{mode}:br=1")
    scaled = sample.stacks[:, 1, ENERGY] * 75.0 / np.sqrt((sample.p(0) ** 2).sum(axis=1))
    assert scaled.min() == pytest.approx(low, rel=0.02)
    assert scaled.max() == pytest.approx(high, rel=0.005)


def chi2_of(values: Floats, density: Callable[[Floats], Floats], low: float, high: float) -> float:
    """chi2 of values against a density, not normalised, in bins of equal probability."""
    grid = np.linspace(low, high, 20_001)
    cumulative = integrate.cumulative_simpson(density(grid), x=grid, initial=0)
    edges = np.interp(np.linspace(0, 1, BINS + 1), cumulative / cumulative[-1], grid)
    edges[0], edges[-1] = -np.inf, np.inf
    counts = np.histogram(values, edges)[0]
    expected = len(values) / BINS
    return float(((counts - expected) ** 2 / expected).sum())


def triangle(a: Floats, b: Floats, c: Floats) -> Floats:
    return np.maximum(a**2 + b**2 + c**2 - 2 * (a * b + b * c + c * a), 0)


@pytest.mark.needs_jit
@pytest.mark.parametrize(("mode", "m_lepton"), [("K-pi0-e-nu", M_ELECTRON_GEV), ("K-pi0-mu-nu", M_MUON_GEV)])
def test_kl3_has_the_spectrum_of_its_form_factors(mode: str, m_lepton: float) -> None:
    """dG/dt ~ lambda^{1/2} (1 - m^2/t)^2 [lambda f+^2 (1 + m^2/2t) + 3 m^2/2t (M^2 - m_pi^2)^2 f0^2]."""
    sample, _ = make(100_000, f"{mode}:br=1")
    big, small = M_KAON_GEV, M_PI0_GEV
    t = big**2 + small**2 - 2 * big * at_rest(p4(sample.stacks, 1), p4(sample.stacks, 0))

    def density(t: Floats) -> Floats:
        u = t / M_PION_GEV**2
        plus, zero = 1 + 0.0252 * u + 0.0008 * u**2, 1 + 0.0176 * u
        lam, r = triangle(big**2, small**2, t), m_lepton**2 / t
        both = lam * plus**2 * (1 + r / 2) + 1.5 * r * (big**2 - small**2) ** 2 * zero**2
        return np.sqrt(lam) * (1 - r) ** 2 * both

    assert chi2_of(t, density, m_lepton**2, (big - small) ** 2) < MOST_CHI2


@pytest.mark.parametrize("mode", ["K-pi0-e-nu", "K-pi0-mu-nu"])
def test_kl3_is_weighted_by_the_contraction_of_its_currents(mode: str) -> None:
    """2 (H l)(H nu) - H^2 (l nu) with H = f+ (P + p) + f- (P - p): a constant times the weight, at any point."""
    sample, catalogue = make(200, f"{mode}:br=1")
    kaon, pi0, lepton, nu = (p4(sample.stacks, row) for row in (0, 1, 2, 3))

    def dot(a: Floats, b: Floats) -> Floats:
        return a[:, 3] * b[:, 3] - (a[:, :3] * b[:, :3]).sum(axis=1)

    t = dot(kaon - pi0, kaon - pi0)
    u = t / M_PION_GEV**2
    plus, zero = 1 + 0.0252 * u + 0.0008 * u**2, 1 + 0.0176 * u
    minus = (zero - plus) * (M_KAON_GEV**2 - M_PI0_GEV**2) / t
    hadron = plus[:, None] * (kaon + pi0) + minus[:, None] * (kaon - pi0)
    expected = 2 * dot(hadron, lepton) * dot(hadron, nu) - dot(hadron, hadron) * dot(lepton, nu)
    number = catalogue.number(mode)
    weights = [
        three_body_weight(SEMILEPTONIC, catalogue.tables, number, M_KAON_GEV, e1, e2)
        for e1, e2 in zip(at_rest(pi0, kaon), at_rest(lepton, kaon), strict=True)
    ]
    ratio = np.array(weights) / expected
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-4)


@pytest.mark.needs_jit
def test_ke3_has_the_electron_spectrum_of_a_vector_current() -> None:
    """In the rest frame of electron and neutrino the electron's angle to the pion is sin^2."""
    sample, _ = make(100_000, "K-pi0-e-nu:br=1")
    pi0, electron, nu = (p4(sample.stacks, row) for row in (1, 2, 3))
    pair = electron + nu
    beta_gamma = np.sqrt(np.maximum(at_rest(pi0, pair) ** 2 - M_PI0_GEV**2, 0))
    dot = electron[:, 3] * pi0[:, 3] - (electron[:, :3] * pi0[:, :3]).sum(axis=1)
    half = mass(pair) / 2
    cosine = (at_rest(pi0, pair) * half - dot) / (beta_gamma * half)
    assert chi2_of(cosine, lambda c: 1 - c**2, -1, 1) < MOST_CHI2


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("mode", "odd", "g", "h", "k"),
    [("K-3pi", 3, -0.2113, 0.0185, -0.0046), ("K-pi-2pi0", 3, 0.626, 0.052, 0.0054)],
)
def test_three_pions_have_the_published_slopes(mode: str, odd: int, g: float, h: float, k: float) -> None:
    """The spectrum of the odd pion's s3: phase space times 1 + g u + h u^2 + k <v^2>."""
    sample, _ = make(100_000, f"{mode}:br=1")
    m_odd = M_PION_GEV
    m_like = M_PION_GEV if mode == "K-3pi" else M_PI0_GEV
    s3 = M_KAON_GEV**2 + m_odd**2 - 2 * M_KAON_GEV * at_rest(p4(sample.stacks, odd), p4(sample.stacks, 0))
    s0 = (M_KAON_GEV**2 + m_odd**2 + 2 * m_like**2) / 3

    def density(s: Floats) -> Floats:
        flat = np.sqrt(triangle(M_KAON_GEV**2, m_odd**2, s) * triangle(s, m_like**2, m_like**2)) / s
        u = (s - s0) / M_PION_GEV**2
        # s1 - s2 is uniform between plus and minus the width of the Dalitz plot at s3.
        v2 = (flat / M_PION_GEV**2) ** 2 / 3
        return flat * (1 + g * u + h * u**2 + k * v2)

    assert chi2_of(s3, density, 4 * m_like**2, (M_KAON_GEV - m_odd) ** 2) < MOST_CHI2


@pytest.mark.needs_jit
def test_pi_nu_nu_and_pi_l_l_have_the_spectra_of_their_matrix_elements() -> None:
    r2 = (M_PION_GEV / M_KAON_GEV) ** 2

    def neutrinos(z: Floats) -> Floats:
        u = z * (M_KAON_GEV / M_PION_GEV) ** 2
        return (
            triangle(np.ones_like(z), z, np.full_like(z, r2)) ** 1.5 * (1 + 0.0252 * u + 0.0008 * u**2) ** 2
        )

    def leptons(m: float, a: float, b: float) -> Callable[[Floats], Floats]:
        def density(z: Floats) -> Floats:
            ratio = (m / M_KAON_GEV) ** 2 / z
            phase = triangle(np.ones_like(z), z, np.full_like(z, r2)) ** 1.5 * np.sqrt(
                np.maximum(1 - 4 * ratio, 0)
            )
            return phase * (1 + 2 * ratio) * (a + b * z) ** 2

        return density

    end = (1 - np.sqrt(r2)) ** 2
    for mode, m, density in (
        ("K-pi-nunu", 0.0, neutrinos),
        ("K-pi-ee", M_ELECTRON_GEV, leptons(M_ELECTRON_GEV, -0.578, -0.779)),
        ("K-pi-mumu", M_MUON_GEV, leptons(M_MUON_GEV, -0.575, -0.722)),
    ):
        sample, _ = make(100_000, f"{mode}:br=1")
        pair = p4(sample.stacks, 2) + p4(sample.stacks, 3)
        z = (mass(pair) / M_KAON_GEV) ** 2
        low = max((2 * m / M_KAON_GEV) ** 2, 1e-9)
        assert chi2_of(z, density, low, end) < MOST_CHI2, mode


@pytest.mark.needs_jit
def test_a_dalitz_pair_has_its_spectrum_and_angle() -> None:
    sample, _ = make(100_000, "pi0-ee-gamma:br=1", "K-pi-pi0:br=1")
    pi0, photon, positron, electron = (p4(sample.stacks, row) for row in (2, 3, 4, 5))
    pair = positron + electron
    x = (mass(pair) / M_PI0_GEV) ** 2
    r2 = (2 * M_ELECTRON_GEV / M_PI0_GEV) ** 2

    def density(log_x: Floats) -> Floats:
        x = np.exp(log_x)
        return (1 - x) ** 3 * (1 + r2 / (2 * x)) * np.sqrt(np.maximum(1 - r2 / x, 0)) * (1 + 0.0335 * x) ** 2

    assert chi2_of(np.log(x), density, np.log(r2), 0.0) < MOST_CHI2
    # y = 2 p_pi0 (p+ - p-) / (m^2 (1 - x)): 1 + y^2 + r^2 / x, |y| < beta; its second moment.
    dot = ((positron - electron)[:, 3] * pi0[:, 3]) - ((positron - electron)[:, :3] * pi0[:, :3]).sum(axis=1)
    y = 2 * dot / (M_PI0_GEV**2 * (1 - x))
    heavy = x > 100 * r2
    assert (y[heavy] ** 2).mean() == pytest.approx((1 / 3 + 1 / 5) / (1 + 1 / 3), abs=0.01)
    assert (photon[:, 3] > 0).all()


@pytest.mark.needs_jit
def test_radiative_decays_have_the_muons_below_the_cut_and_a_spectrum_like_1_over_e() -> None:
    """The rate above some photon energy, by integrating the formula of the review; in the middle, four bins."""
    sample, _ = make(100_000, "K-mu-nu-gamma:br=1")
    photon = at_rest(p4(sample.stacks, 1), p4(sample.stacks, 0))
    muon = at_rest(p4(sample.stacks, 2), p4(sample.stacks, 0))
    assert np.sqrt(muon.max() ** 2 - M_MUON_GEV**2) < 0.2315 + 1e-6
    r, top = (M_MUON_GEV / M_KAON_GEV) ** 2, 2 * 0.25447 / M_KAON_GEV

    def inner(y: float, x: float) -> float:
        d = x + y - 1 - r
        return float((1 - y + r) / (x * x * d) * (x * x + 2 * (1 - x) * (1 - r) - 2 * x * r * (1 - r) / d))

    def rate(x: float) -> float:
        # Limits of y at x: the muon against the photon or along it.
        low = 1 - x + r / (1 - x)
        return (
            float(integrate.quad(inner, low, min(1 + r, top), args=(x,))[0]) if low < min(1 + r, top) else 0.0
        )

    edges = np.array([0.02, 0.05, 0.09, 0.14, 0.20])
    expected = np.array(
        [integrate.quad(rate, 2 * a / M_KAON_GEV, 2 * b / M_KAON_GEV)[0] for a, b in pairwise(edges)]
    )
    counts = np.histogram(photon, edges)[0]
    expected *= counts.sum() / expected.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 3 + 4 * np.sqrt(6)


@pytest.mark.needs_jit
def test_modes_come_as_often_as_their_branching_ratios_say() -> None:
    n = 400_000
    sample, catalogue = make(n, rows=4)
    counts = np.bincount(sample.modes, minlength=len(catalogue.modes))
    for mode, found in zip(catalogue.modes, counts, strict=True):
        if mode.parent == "K+":
            mean = n * mode.branching_ratio
            assert found == pytest.approx(mean, abs=4 * np.sqrt(mean) + 1), mode.name
    listed = {mode.name: mode.branching_ratio for mode in standard_modes()}
    for mode in catalogue.modes:
        # The listed ones of the kaon have a sum of 1.001: within their errors.
        assert mode.branching_ratio == pytest.approx(listed[mode.name], rel=2e-3)


def test_a_signal_takes_its_share_and_leaves_the_others_theirs() -> None:
    plain, with_signal = Catalogue(), Catalogue(["K-pi-X:mass=0.2,br=0.1"])
    assert sum(mode.branching_ratio for mode in with_signal.modes if mode.parent == "K+") == pytest.approx(1)
    for mode in plain.modes:
        factor = 0.9 if mode.parent == "K+" else 1.0
        new = with_signal.modes[with_signal.number(mode.name)]
        assert new.branching_ratio == pytest.approx(factor * mode.branching_ratio)


@pytest.mark.needs_jit
def test_a_new_particle_flies_as_far_as_its_lifetime_says() -> None:
    ctau = 50.0
    sample, _ = make(20_000, f"K-pi-X:mass=0.2,br=1,to=ee,ctau={ctau}")
    x = sample.stacks[:, 2]
    assert (x[:, PDG] == EXOTIC).all()
    flight = sample.stacks[:, 3, Z] - x[:, Z]
    proper = flight * 0.2 / x[:, 2]
    assert proper.mean() == pytest.approx(ctau, abs=4 * ctau / np.sqrt(len(proper)))
    np.testing.assert_allclose(x[:, END_Z], sample.stacks[:, 3, Z])
    # Its products begin where it ends, along its flight.
    np.testing.assert_allclose((sample.stacks[:, 3, X] - x[:, X]) / flight, x[:, 0] / x[:, 2], rtol=1e-6)


def test_a_new_particle_that_does_not_decay_has_no_products() -> None:
    sample, _ = make(50, "K-pi-X:mass=0.2,br=1")
    assert (sample.counts == 3).all()
    assert np.isinf(sample.stacks[:, 2, END_Z]).all()
    np.testing.assert_allclose(mass(p4(sample.stacks, 2)), 0.2, rtol=1e-7)


@pytest.mark.parametrize("mass_gev", [0.15, 0.3, 0.45])
def test_the_mass_of_a_heavy_neutrino_is_that_asked_for(mass_gev: float) -> None:
    sample, _ = make(100, f"K-e-N:mass={mass_gev},br=1")
    np.testing.assert_allclose(mass(p4(sample.stacks, 0) - p4(sample.stacks, 1)), mass_gev, rtol=1e-6)


def test_pairs_of_new_particles_give_four_electrons_of_their_masses() -> None:
    sample, _ = make(100, "K-pi-S:mass=0.2,mass2=0.05,br=1")
    pairs = [p4(sample.stacks, row) + p4(sample.stacks, row + 1) for row in (5, 7)]
    for pair in pairs:
        np.testing.assert_allclose(mass(pair), 0.05, rtol=1e-6)
    np.testing.assert_allclose(mass(pairs[0] + pairs[1]), 0.2, rtol=1e-6)


def test_a_decay_whose_pi0_decays_as_asked_for_has_the_mode_of_the_pi0() -> None:
    sample, catalogue = make(400, "pi0-gamma-Ap:mass=0.05,br=0.5", "K-pi-pi0:br=1")
    signal, plain = catalogue.number("pi0-gamma-Ap"), catalogue.number("K-pi-pi0")
    has_new = (sample.stacks[:, :, PDG] == EXOTIC).any(axis=1)
    np.testing.assert_array_equal(sample.modes, np.where(has_new, signal, plain))
    assert 150 < has_new.sum() < 250


@pytest.mark.needs_jit
def test_each_dark_photon_decays_whatever_other_pi0s_do() -> None:
    sample, _ = make(20_000, "pi0-gamma-Ap:mass=0.05,br=0.5", "K-pi-2pi0:br=1", rows=16)
    pdg, mothers = sample.stacks[:, :, PDG], sample.stacks[:, :, MOTHER]
    used = np.arange(pdg.shape[1]) < sample.counts[:, None]
    decay, row = np.nonzero((pdg == EXOTIC) & used)
    electrons = (np.abs(pdg) == 11) & used
    made = [(electrons[d] & (mothers[d] == r)).sum() for d, r in zip(decay, row, strict=True)]
    assert len(decay) > 15_000
    assert set(made) == {2}


@pytest.mark.needs_jit
def test_electrons_of_a_dark_photon_of_a_pi0_are_1_plus_cos2_to_its_flight() -> None:
    sample, _ = make(100_000, "pi0-gamma-Ap:mass=0.05,br=1", "K-pi-pi0:br=1")
    pi0, new, positron = (p4(sample.stacks, row) for row in (2, 4, 5))
    assert (sample.stacks[:, 4, PDG] == EXOTIC).all()
    half, k = 0.025, np.sqrt(0.025**2 - M_ELECTRON_GEV**2)
    energy = at_rest(pi0, new)
    momentum = np.sqrt(energy**2 - M_PI0_GEV**2)
    dot = positron[:, 3] * pi0[:, 3] - (positron[:, :3] * pi0[:, :3]).sum(axis=1)
    cosine = (energy * half - dot) / (momentum * k)
    assert chi2_of(cosine, lambda c: 1 + c**2, -1, 1) < MOST_CHI2


def test_a_pi0_that_nobody_sees_leaves_no_photon() -> None:
    sample, _ = make(100, "K-pi-pi0:br=1", "pi0-inv:br=1")
    assert not (sample.stacks[:, :, PDG] == GAMMA).any()
    assert (sample.stacks[:, 3:5, PDG] == NEUTRINO).all()
