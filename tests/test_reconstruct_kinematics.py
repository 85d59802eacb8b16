"""Candidates of decays made by hand, without any resolution: masses, vertices and momenta are those of the decay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive_reconstruct import Object, PlainBlock, PlainEvent, Track
from numpy.typing import NDArray
from reconstruct_cases import FIRST_FRAME, FRAME, MAGNET, reconstruct

from trigger.particles import M_ELECTRON_GEV, M_KAON_GEV, M_MUON_GEV, M_PI0_GEV, M_PION_GEV
from trigger.reconstruct.candidates import MATCHED
from trigger.reconstruct.detectors import GTK3_MM, LKR_MM, RICH_FOCAL_MM, RICH_REFRACTION

Vector = NDArray[np.float64]

TIME = (FIRST_FRAME + 3) * FRAME + 1234
KICK = 0.270
VERTEX = np.array([20.0, -4.0, 130_000.0])
BEAM = np.array([0.00125, -0.0001, 1.0])


def four(p: Vector, mass: float) -> Vector:
    return np.array([math.sqrt(float(p @ p) + mass**2), *p])


def boost(a: Vector, to: Vector) -> Vector:
    """Take (E, p), given in the rest frame of a particle, to where that particle has the four-momentum `to`."""
    mass = math.sqrt(float(to[0] ** 2 - to[1:] @ to[1:]))
    along = float(a[1:] @ to[1:])
    energy = (to[0] * a[0] + along) / mass
    return np.array([energy, *(a[1:] + to[1:] * (a[0] + energy) / (mass + to[0]))])


def in_two(parent: Vector, m1: float, m2: float, cosine: float, phi: float) -> tuple[Vector, Vector]:
    """Decay a four-momentum into two at an angle to the z axis of its rest frame."""
    m = math.sqrt(float(parent[0] ** 2 - parent[1:] @ parent[1:]))
    p = math.sqrt((m**2 - (m1 + m2) ** 2) * (m**2 - (m1 - m2) ** 2)) / (2 * m)
    sine = math.sqrt(1 - cosine**2)
    way = p * np.array([sine * math.cos(phi), sine * math.sin(phi), cosine])
    return boost(four(way, m1), parent), boost(four(-way, m2), parent)


def kaon() -> Vector:
    return four(75.3 * BEAM / np.linalg.norm(BEAM), M_KAON_GEV)


def beam_track() -> Object:
    x, y = (VERTEX + BEAM * (GTK3_MM - VERTEX[2]))[:2]
    values = {
        "matched": 1.0,
        "p_gev": 75.3,
        "dx_dz": BEAM[0],
        "dy_dz": BEAM[1],
        "x_mm": float(x),
        "y_mm": float(y),
    }
    return Object(TIME + 1, values)


def track_of(charge: int, a: Vector) -> Track:
    """The track of a particle from the vertex: the magnet turns it in the x-z plane."""
    px, py, pz = a[1:]
    across = math.hypot(px, pz)
    kicked = px - charge * KICK
    after = kicked / math.sqrt(across**2 - kicked**2)
    way = MAGNET - VERTEX[2]
    x, y = VERTEX[0] + px / pz * way, VERTEX[1] + py / pz * way
    return Track(charge, py / pz, float(y), px / pz, float(x), after, float(x))


def cluster_of(a: Vector) -> Object:
    """The cluster of a photon from the vertex."""
    x, y = (VERTEX[:2] + a[1:3] / a[3] * (LKR_MM - VERTEX[2])).tolist()
    return Object(TIME, {"energy_gev": float(a[0]), "x_mm": x, "y_mm": y})


def made(tracks: list[Track], photons: list[Vector], kind: str) -> np.void:
    block = PlainBlock(
        [PlainEvent(TIME, tracks, len(tracks))], [beam_track()], [cluster_of(a) for a in photons], []
    )
    candidates: NDArray[np.void] = getattr(reconstruct(block), kind)
    assert candidates["beam"].tolist() == [MATCHED]
    candidate: np.void = candidates[0]
    return candidate


def at_vertex(candidate: np.void) -> None:
    place = [float(candidate[name]) for name in ("x_mm", "y_mm", "z_mm")]
    # Slopes and positions are numbers of 32 bits: 0.01 mm at 100 m, times 1/angle.
    assert place == pytest.approx(VERTEX.tolist(), abs=3.0)
    assert place[:2] == pytest.approx(VERTEX[:2].tolist(), abs=0.05)
    assert candidate["cda_mm"] < 0.01


ANGLES = [(c, phi) for c in (-0.9, -0.5, -0.1) for phi in (0.3, 2.1, 4.0)]


@pytest.mark.parametrize(("cosine", "phi"), ANGLES)
def test_the_missing_mass_of_pi_pi0_is_the_pi0s_and_its_photons_have_it_too(
    cosine: float, phi: float
) -> None:
    pion, pi0 = in_two(kaon(), M_PION_GEV, M_PI0_GEV, cosine, phi)
    photons = in_two(pi0, 0.0, 0.0, 0.2, phi + 0.4)
    c = made([track_of(1, pion)], list(photons), "one_track")
    at_vertex(c)
    assert c["p_gev"] == pytest.approx(np.linalg.norm(pion[1:]), rel=1e-6)
    assert c["m2_pi_gev2"] == pytest.approx(M_PI0_GEV**2, abs=2e-6)
    assert c["n_photons"] == 2
    assert c["m_gg_gev"] == pytest.approx(M_PI0_GEV, rel=1e-4)
    assert c["m_pigg_gev"] == pytest.approx(M_KAON_GEV, rel=1e-4)
    assert c["p_total_gev"] == pytest.approx(75.3, rel=1e-5)
    assert c["pt_gev"] < 1e-4
    # The formula is that of small angles.
    assert c["z_pi0_mm"] == pytest.approx(VERTEX[2], abs=30.0)


@pytest.mark.parametrize(("cosine", "phi"), ANGLES)
def test_the_missing_mass_of_mu_nu_is_0_and_as_pion_what_the_formula_says(cosine: float, phi: float) -> None:
    parent = kaon()
    muon, _ = in_two(parent, M_MUON_GEV, 0.0, cosine, phi)
    c = made([track_of(1, muon)], [], "one_track")
    p = float(np.linalg.norm(muon[1:]))
    difference = math.hypot(p, M_PION_GEV) - math.hypot(p, M_MUON_GEV)
    assert c["m2_mu_gev2"] == pytest.approx(0.0, abs=2e-6)
    expected = M_PION_GEV**2 - M_MUON_GEV**2 - 2 * parent[0] * difference
    assert c["m2_pi_gev2"] == pytest.approx(expected, abs=2e-6)
    assert math.isnan(c["m_gg_gev"])
    assert math.isnan(c["p_total_gev"])


def test_the_missing_masses_of_e_nu_are_0_for_kaons_and_for_pions() -> None:
    electron, _ = in_two(kaon(), M_ELECTRON_GEV, 0.0, -0.4, 1.0)
    assert made([track_of(1, electron)], [], "one_track")["m2_e_gev2"] == pytest.approx(0.0, abs=2e-6)
    pion = four(kaon()[1:], M_PION_GEV)
    electron, _ = in_two(pion, M_ELECTRON_GEV, 0.0, -0.4, 1.0)
    assert made([track_of(1, electron)], [], "one_track")["m2_beam_pi_e_gev2"] == pytest.approx(0.0, abs=2e-6)


@pytest.mark.parametrize("charge", [1, -1])
def test_three_pions_have_the_kaons_mass_and_momentum(charge: int) -> None:
    pair_gev = 0.3
    odd_and, third = in_two(kaon(), pair_gev, M_PION_GEV, 0.3, 0.5)
    odd, second = in_two(odd_and, M_PION_GEV, M_PION_GEV, -0.2, 2.0)
    tracks = [track_of(charge, second), track_of(-charge, odd), track_of(charge, third)]
    c = made(tracks, [], "three_tracks")
    at_vertex(c)
    assert c["charge"] == charge
    assert c["m_3pi_gev"] == pytest.approx(M_KAON_GEV, rel=1e-5)
    assert c["p_total_gev"] == pytest.approx(75.3, rel=1e-5)
    assert c["pt_gev"] < 1e-4
    assert c["p_gev"][0] == pytest.approx(np.linalg.norm(odd[1:]), rel=1e-5)
    assert c["p_gev"][1] > c["p_gev"][2]


def test_two_leptons_have_the_mass_of_what_they_are_of() -> None:
    pion, x = in_two(kaon(), M_PION_GEV, 0.28, 0.1, 0.5)
    plus, minus = in_two(x, M_MUON_GEV, M_MUON_GEV, 0.3, 2.0)
    c = made([track_of(1, plus), track_of(-1, minus), track_of(1, pion)], [], "three_tracks")
    k = 0 if plus[0] > pion[0] else 1
    assert c["m_mumu_gev"][k] == pytest.approx(0.28, rel=1e-5)
    assert c["m_pimumu_gev"][k] == pytest.approx(M_KAON_GEV, rel=1e-5)
    assert c["m_pimumu_gev"][1 - k] != pytest.approx(M_KAON_GEV, rel=1e-3)


def test_a_dalitz_pair_and_its_photon_have_the_mass_of_the_pi0() -> None:
    pion, pi0 = in_two(kaon(), M_PION_GEV, M_PI0_GEV, 0.2, 0.5)
    x, photon = in_two(pi0, 0.06, 0.0, 0.1, 1.0)
    plus, minus = in_two(x, M_ELECTRON_GEV, M_ELECTRON_GEV, 0.3, 2.0)
    c = made([track_of(1, plus), track_of(-1, minus), track_of(1, pion)], [photon], "three_tracks")
    k = 0 if plus[0] > pion[0] else 1
    assert c["n_photons"] == 1
    assert c["m_ee_gev"][k] == pytest.approx(0.06, rel=1e-4)
    assert c["m_eeg_gev"][k] == pytest.approx(M_PI0_GEV, rel=1e-4)
    assert c["m_pieeg_gev"][k] == pytest.approx(M_KAON_GEV, rel=1e-4)
    assert c["p_total_g_gev"] == pytest.approx(75.3, rel=1e-4)
    assert c["pt_g_gev"] < 1e-3
    assert c["p_total_gev"] < 75.0


@pytest.mark.parametrize("charge", [1, -1])
def test_of_five_tracks_the_pion_is_found_and_the_pairs_have_their_mass(charge: int) -> None:
    pion, aa = in_two(kaon(), M_PION_GEV, 0.3, 0.2, 0.5)
    first, second = in_two(aa, 0.1, 0.1, 0.1, 1.0)
    pairs = (
        in_two(first, M_ELECTRON_GEV, M_ELECTRON_GEV, 0.3, 2.0),
        in_two(second, M_ELECTRON_GEV, M_ELECTRON_GEV, -0.2, 3.0),
    )
    tracks = [track_of(sign * charge, a) for pair in pairs for sign, a in zip((1, -1), pair, strict=True)]
    c = made([*tracks, track_of(charge, pion)], [], "five_tracks")
    at_vertex(c)
    assert c["charge"] == charge
    assert c["p_gev"][0] == pytest.approx(np.linalg.norm(pion[1:]), rel=1e-5)
    assert c["p_gev"][1] > c["p_gev"][2]
    assert c["p_gev"][3] > c["p_gev"][4]
    assert c["m_4e_gev"] == pytest.approx(0.3, rel=1e-4)
    assert c["m_pi4e_gev"] == pytest.approx(M_KAON_GEV, rel=1e-4)
    assert any(pair.tolist() == pytest.approx([0.1, 0.1], rel=1e-4) for pair in c["m_pair_gev"])


@pytest.mark.parametrize("mass", [M_ELECTRON_GEV, M_MUON_GEV, M_PION_GEV])
def test_a_ring_gives_the_mass_of_its_particle(mass: float) -> None:
    pion = four(np.array([0.03, 0.02, 22.0]), mass)
    track = track_of(1, pion)
    p = float(np.linalg.norm(pion[1:]))
    cosine = pion[0] / p / (1.0 + RICH_REFRACTION)
    centre = RICH_FOCAL_MM * track.dx_after, RICH_FOCAL_MM * track.dy
    radius = RICH_FOCAL_MM * math.tan(math.acos(cosine))
    ring = Object(TIME + 2, {"radius_mm": radius, "x_mm": centre[0] + 5.0, "y_mm": centre[1] - 5.0})
    (c,) = reconstruct(PlainBlock([PlainEvent(TIME, [track], 1)], [beam_track()], [], [ring])).one_track
    assert c["ring_mm"] == pytest.approx(radius, rel=1e-6)
    assert c["ring_m2_gev2"] == pytest.approx(mass**2, abs=1e-6)
