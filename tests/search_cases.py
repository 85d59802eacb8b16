"""Candidates that each search takes, and what of them is just inside and just outside of each cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trigger.reconstruct.candidates import (
    FIVE_TRACKS,
    KINDS,
    MATCHED,
    NEAREST,
    NOMINAL,
    ONE_TRACK,
    THREE_TRACKS,
)

KAON_GEV = 0.493677
PI0_GEV = 0.1349768

Place = tuple[str, *tuple[int, ...]]
"""A field of a candidate, or a place in one."""


@dataclass(frozen=True)
class Cut:
    """A cut: values of a field that pass it, and that do not, both near it."""

    place: Place
    passes: tuple[float, ...]
    fails: tuple[float, ...]

    def __str__(self) -> str:
        return ".".join(map(str, self.place))


def cut(place: str | Place, passes: float | tuple[float, ...], *fails: float) -> Cut:
    """Return a cut; NaN fails every one, if the field can hold it."""
    where = (place,) if isinstance(place, str) else place
    inside = passes if isinstance(passes, tuple) else (passes,)
    return Cut(where, inside, fails)


@dataclass(frozen=True)
class Case:
    """A candidate that a search takes: its fields, the observable's place, and the cuts."""

    fields: dict[str, Any]
    observable: Place
    cuts: tuple[Cut, ...]
    also: dict[str, Any] = field(default_factory=dict)


def candidate(kind: str, fields: dict[str, Any]) -> NDArray[np.void]:
    """Return one candidate: structured[1]."""
    made = np.zeros(1, KINDS[kind])
    for name, value in fields.items():
        made[name] = value
    return made


def put(made: NDArray[np.void], place: Place, value: float) -> None:
    """Set a field, or one number in it."""
    name, *index = place
    if index:
        made[name][(0, *index)] = value
    else:
        made[name] = value


VETOES = (cut("n_photons", 0, 1), cut("lav_hits", 0, 1), cut("small_angle_hits", 0, 1))
BEAM = (
    cut("beam", MATCHED, NEAREST, NOMINAL),
    cut("charge", 1, -1),
    cut("z_mm", (105_001, 169_999), 104_999, 170_001, np.nan),
    cut("cda_mm", (0.0, 7.99), 8.01, np.nan),
)
KAON = (*BEAM, cut("kaon_sectors", (5, 8), 4, 0))
PION = (
    cut("ring_m2_gev2", (0.01451, 0.02999), 0.01449, 0.03001, np.nan),
    cut("in_lkr", 1, 0),
    cut("in_muv3", 1, 0),
    cut("eop", (0.0, 0.799), 0.801, np.nan),
    cut("muon", 0, 1),
)
ELECTRON = (
    cut("ring_m2_gev2", (-0.0119, 0.00399), -0.0121, 0.00401, np.nan),
    cut("eop", (0.901, 1.099), 0.899, 1.101, 0.0),
    cut("muon", 0, 1),
)
MUON = (cut("muon", 1, 0), cut("in_lkr", 1, 0), cut("eop", (0.0, 0.199), 0.201))

ONE = {
    "beam": MATCHED,
    "charge": 1,
    "kaon_sectors": 8,
    "z_mm": 130e3,
    "cda_mm": 1.0,
    "in_lkr": 1,
    "in_muv3": 1,
}
PION_ALONE = ONE | {"p_gev": 30.0, "eop": 0.3, "ring_m2_gev2": 0.0195, "m2_pi_gev2": 0.004}
ELECTRON_ALONE = ONE | {"p_gev": 20.0, "eop": 1.0, "ring_m2_gev2": 0.0, "m2_e_gev2": 0.06}
MUON_ALONE = ONE | {"p_gev": 30.0, "eop": 0.02, "muon": 1, "m2_mu_gev2": 0.06}
PHOTONS = {"n_photons": 2, "m_gg_gev": 0.25, "m_pigg_gev": KAON_GEV, "p_total_gev": 75.0, "pt_gev": 0.01}

SEVERAL = {"charge": 1, "z_mm": 130e3, "cda_mm": 3.0, "p_total_gev": 75.0, "pt_gev": 0.01}
VERTEX = (
    cut("charge", 1, -1),
    cut("z_mm", (105_001, 179_999), 104_999, 180_001, np.nan),
    cut("cda_mm", (0.0, 7.99), 8.01, np.nan),
)
WHOLE = (
    cut("p_total_gev", (72.01, 77.99), 71.99, 78.01, np.nan),
    cut("pt_gev", (0.0, 0.0299), 0.0301, np.nan),
)


def near(place: Place, middle: float, most: float) -> Cut:
    """Return the cut on the distance from a middle."""
    step = 1e-5
    return cut(
        place,
        (middle - most + step, middle + most - step),
        middle - most - step,
        middle + most + step,
        np.nan,
    )


def three(leptons: dict[str, Any], pion: int, k: int) -> dict[str, Any]:
    """Return three tracks: track `pion` is the pion, the others have the fields of `leptons`."""
    made: dict[str, Any] = {
        "p_gev": [25.0] * 3,
        "ring_m2_gev2": [np.nan] * 3,
        "muon": [0] * 3,
        "eop": [0.0] * 3,
    }
    for name, value in leptons.items():
        made[name] = [value] * 3
    made["eop"][pion], made["muon"][pion], made["ring_m2_gev2"][pion] = 0.3, 0, 0.0195
    nan = [np.nan, np.nan]
    for mass in ("m_mumu_gev", "m_pimumu_gev", "m_ee_gev", "m_piee_gev", "m_eeg_gev", "m_pieeg_gev"):
        made[mass] = [*nan]
    for mass in ("m_pimumu_gev", "m_piee_gev", "m_pieeg_gev"):
        made[mass][k] = KAON_GEV
    made["m_mumu_gev"][k], made["m_ee_gev"][k], made["m_eeg_gev"][k] = 0.25, 0.06, PI0_GEV
    return SEVERAL | {"p_total_g_gev": 75.0, "pt_g_gev": 0.01} | made


def electrons(k: int) -> tuple[Cut, ...]:
    """Return the cuts on the tracks of two electrons, way k."""
    return (
        *(cut(("eop", track), (0.901, 1.099), 0.899, 1.101, 0.0, np.nan) for track in (0, 1 + k)),
        cut(("eop", 2 - k), (0.0, 0.799), 0.801, np.nan),
        cut(("muon", 2 - k), 0, 1),
        cut(("ring_m2_gev2", 2 - k), (0.00401, np.nan), 0.00399, -0.0119),
    )


def muons(k: int) -> tuple[Cut, ...]:
    """Return the cuts on the tracks of two muons, way k."""
    return (
        *(cut(("muon", track), 1, 0) for track in (0, 1 + k)),
        *(cut(("eop", track), (0.0, 0.199), 0.201, np.nan) for track in (0, 1 + k)),
        cut(("eop", 2 - k), (0.0, 0.799), 0.801, np.nan),
        cut(("muon", 2 - k), 0, 1),
        cut(("ring_m2_gev2", 2 - k), (0.00401, np.nan), 0.00399, -0.0119),
    )


FIVE = SEVERAL | {
    "p_gev": [20.0, 15.0, 15.0, 12.0, 13.0],
    "eop": [0.3, 1.0, 0.0, 1.0, 0.0],
    "muon": [0] * 5,
    "m_4e_gev": 0.2,
    "m_pi4e_gev": KAON_GEV,
    "m_pair_gev": [[0.050, 0.051], [0.080, 0.120]],
}
FIVE_CUTS = (
    *VERTEX,
    *WHOLE,
    near(("m_pi4e_gev",), KAON_GEV, 0.012),
    cut(("eop", 0), (0.0, 0.799), 0.801, np.nan),
    *(cut(("eop", track), (0.901, 1.099), 0.899, 1.101, 0.0) for track in (1, 3)),
    *(cut(("eop", track), (0.0, 0.901, 1.2), 0.05, 0.899) for track in (2, 4)),
    *(cut(("muon", track), 0, 1) for track in range(5)),
    cut(("m_pair_gev", 0, 0), (0.0451, 0.0569), 0.0449, 0.0571),
)

K_MU_N = Case(MUON_ALONE, ("m2_mu_gev2",), (*KAON, *MUON, *VETOES, cut("p_gev", (5.01, 69.9), 4.99, 70.1)))

CASES: dict[str, tuple[Case, ...]] = {
    "k_pi_x": (
        Case(
            PION_ALONE,
            ("m2_pi_gev2",),
            (*KAON, *PION, *VETOES, cut("p_gev", (15.01, 34.9), 14.99, 35.1, 44.9)),
        ),
        Case(
            PION_ALONE | {"m2_pi_gev2": 0.04},
            ("m2_pi_gev2",),
            (*KAON, *PION, *VETOES, cut("p_gev", (15.01, 44.9), 14.99, 45.1)),
        ),
        # Where the largest momentum changes.
        Case(
            PION_ALONE | {"p_gev": 40.0, "m2_pi_gev2": 0.04},
            ("m2_pi_gev2",),
            (cut("m2_pi_gev2", 0.0183, 0.0181),),
        ),
    ),
    "pi0_inv": (
        Case(
            PION_ALONE | {"m2_pi_gev2": 0.0182},
            ("m2_pi_gev2",),
            (*KAON, *PION, *VETOES, cut("p_gev", (25.01, 39.9), 24.99, 40.1)),
        ),
    ),
    "k_pi_mumu": tuple(
        Case(
            three({"muon": 1, "eop": 0.02}, 2 - k, k),
            ("m_mumu_gev", k),
            (*VERTEX, *WHOLE, *muons(k), near(("m_pimumu_gev", k), KAON_GEV, 0.008)),
        )
        for k in range(2)
    ),
    "k_pi_gg": (
        Case(
            PION_ALONE | PHOTONS | {"m2_pi_gev2": 0.0625},
            ("m2_pi_gev2",),
            (
                *KAON,
                *PION,
                *WHOLE[:1],
                cut("pt_gev", (0.0, 0.0599), 0.0601, np.nan),
                cut("n_photons", 2, 0, 1, 3),
                *VETOES[1:],
                near(("m_pigg_gev",), KAON_GEV, 0.020),
                cut("p_gev", (8.01, 49.9), 7.99, 50.1),
                cut("m2_pi_gev2", 1e-6, -1e-6, np.nan),
            ),
        ),
    ),
    "pi0_dark_photon": tuple(
        Case(
            three({"eop": 1.0}, 2 - k, k) | {"p_total_gev": 50.0, "pt_gev": 0.2},
            ("m_ee_gev", k),
            (
                *VERTEX,
                cut("p_total_g_gev", (72.01, 77.99), 71.99, 78.01, np.nan),
                cut("pt_g_gev", (0.0, 0.0299), 0.0301, np.nan),
                *electrons(k),
                near(("m_eeg_gev", k), PI0_GEV, 0.008),
                near(("m_pieeg_gev", k), KAON_GEV, 0.020),
            ),
        )
        for k in range(2)
    ),
    "k_e_n": (
        Case(
            ELECTRON_ALONE,
            ("m2_e_gev2",),
            (*KAON, *ELECTRON, *VETOES, cut("p_gev", (5.01, 29.9), 4.99, 30.1)),
        ),
    ),
    "k_mu_n": (K_MU_N,),
    "pi_e_n": (
        Case(
            ELECTRON_ALONE | {"kaon_sectors": 2, "m2_beam_pi_e_gev2": 0.012},
            ("m2_beam_pi_e_gev2",),
            (
                *BEAM,
                *ELECTRON,
                *VETOES,
                cut("kaon_sectors", (0, 4), 5, 8),
                cut("p_gev", (5.01, 49.9), 4.99, 50.1),
            ),
        ),
    ),
    "k_mu_nu_x": (K_MU_N,),
    "k_pi_aa": (Case(FIVE, ("m_pair_gev", 0), FIVE_CUTS),),
    "k_pi_s": (Case(FIVE, ("m_4e_gev",), FIVE_CUTS),),
    "k_pi_ee": tuple(
        Case(
            three({"eop": 1.0}, 2 - k, k),
            ("m_ee_gev", k),
            (*VERTEX, *WHOLE, *electrons(k), near(("m_piee_gev", k), KAON_GEV, 0.010)),
        )
        for k in range(2)
    ),
    "k2pi": (
        Case(
            PION_ALONE | {"m2_pi_gev2": 0.0182, "n_photons": 2, "lav_hits": 4, "small_angle_hits": 1},
            ("m2_pi_gev2",),
            (*KAON, *PION, cut("p_gev", (15.01, 44.9), 14.99, 45.1)),
        ),
    ),
    "kmu2": (K_MU_N,),
    "k3pi": (Case(SEVERAL | {"m_3pi_gev": KAON_GEV}, ("m_3pi_gev",), (*VERTEX, *WHOLE)),),
}
"""By search."""


def _range(rng: np.random.Generator, n: int, *edges: float) -> NDArray[np.float64]:
    """Return numbers around some edges, now and then NaN."""
    low, high = min(edges), max(edges)
    values = rng.uniform(low - 0.1 * (high - low), high + 0.1 * (high - low), n)
    return np.where(rng.random(n) < 0.02, np.nan, values)


def random_candidates(kind: str, n: int, rng: np.random.Generator) -> NDArray[np.void]:
    """Return candidates whose fields lie about the cuts: structured[n]."""
    made = np.zeros(n, KINDS[kind])
    made["event"] = np.sort(rng.integers(0, 2 * n, n))
    made["charge"] = rng.choice([1, 1, 1, -1], n)
    made["z_mm"], made["cda_mm"] = _range(rng, n, 105e3, 180e3), _range(rng, n, 0, 8.5)
    made["beam"] = rng.choice([MATCHED, MATCHED, MATCHED, NEAREST, NOMINAL], n)
    made["kaon_sectors"] = rng.choice([4, 5, 6, 8], n)
    made["p_total_gev"], made["pt_gev"] = _range(rng, n, 72, 78), _range(rng, n, 0, 0.06)
    for name in ("n_photons", "lav_hits", "small_angle_hits"):
        made[name] = rng.choice([0, 0, 0, 1, 2], n)
    {"one_track": _fill_one, "three_tracks": _fill_three, "five_tracks": _fill_five}[kind](made, rng)
    return made


def _fill_one(made: NDArray[np.void], rng: np.random.Generator) -> None:
    n = len(made)
    assert made.dtype == ONE_TRACK
    for name in ("muon", "in_lkr", "in_muv3"):
        made[name] = rng.choice([0, 1, 1, 1] if name != "muon" else [0, 1], n)
    made["p_gev"] = _range(rng, n, 5, 70)
    made["eop"] = np.where(rng.random(n) < 0.5, _range(rng, n, 0, 0.25), _range(rng, n, 0.75, 1.1))
    made["ring_m2_gev2"] = _range(rng, n, -0.012, 0.03)
    for name in ("m2_pi_gev2", "m2_mu_gev2", "m2_e_gev2", "m2_beam_pi_e_gev2"):
        made[name] = _range(rng, n, -0.02, 0.05)
    made["m_pigg_gev"] = _range(rng, n, 0.47, 0.52)


def _fill_three(made: NDArray[np.void], rng: np.random.Generator) -> None:
    n = len(made)
    assert made.dtype == THREE_TRACKS
    made["eop"] = rng.choice([0.0, 0.1, 0.5, 0.85, 1.0, 1.2], (n, 3))
    made["muon"] = rng.integers(0, 2, (n, 3))
    made["ring_m2_gev2"] = rng.choice([np.nan, -0.02, 0.0, 0.0195], (n, 3))
    made["p_total_g_gev"], made["pt_g_gev"] = _range(rng, n, 72, 78), _range(rng, n, 0, 0.03)
    made["m_3pi_gev"] = _range(rng, n, 0.48, 0.51)
    for name, low, high in (
        ("m_pimumu_gev", 0.48, 0.505),
        ("m_piee_gev", 0.48, 0.505),
        ("m_pieeg_gev", 0.47, 0.52),
    ):
        made[name] = _range(rng, 2 * n, low, high).reshape(n, 2)
    made["m_eeg_gev"] = _range(rng, 2 * n, 0.125, 0.145).reshape(n, 2)
    for name in ("m_mumu_gev", "m_ee_gev"):
        made[name] = rng.uniform(0.05, 0.35, (n, 2))


def _fill_five(made: NDArray[np.void], rng: np.random.Generator) -> None:
    n = len(made)
    assert made.dtype == FIVE_TRACKS
    made["eop"] = rng.choice([0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 1.2], (n, 5))
    made["muon"] = rng.random((n, 5)) < 0.1
    made["m_4e_gev"], made["m_pi4e_gev"] = rng.uniform(0.1, 0.3, n), _range(rng, n, 0.48, 0.507)
    made["m_pair_gev"] = rng.uniform(0.05, 0.07, (n, 2, 2))
