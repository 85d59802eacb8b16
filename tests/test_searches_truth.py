"""Simulated signals through L0, L1 and the reconstruction: the searches find them where they were put."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from measure_searches import core, menu_of
from search_sample import read_sample
from simulated import simulate

from trigger.searches.catalogue import find_search
from trigger.searches.search import interpolate

SIGNALS = [
    ("k_pi_x", "K-pi-X:mass=0.2,br=0.9", 0.2),
    ("k_mu_n", "K-mu-N:mass=0.3,br=0.9", 0.3),
    ("k_pi_mumu", "K-pi-X:mass=0.3,br=0.9,to=mumu", 0.3),
    ("pi0_dark_photon", "pi0-gamma-Ap:mass=0.09,br=0.9", 0.09),
]


@pytest.mark.needs_jit
@pytest.mark.parametrize(("name", "signal", "mass"), SIGNALS, ids=[row[0] for row in SIGNALS])
def test_a_simulated_signal_is_taken_at_its_mass_as_often_and_as_sharply_as_stated(
    name: str, signal: str, mass: float, tmp_path: Path
) -> None:
    search = find_search(name)
    menu = menu_of(tmp_path, search)
    duration = "0.08" if name == "pi0_dark_photon" else "0.02"
    path = simulate(
        tmp_path / "signal.h5",
        *("--signal", signal, "--intensity", "50", "--duration", duration, "--flat"),
        *("--hit-menu", str(menu), "--seed", "5"),
    )
    sample = read_sample(path, str(menu))
    mode = signal.partition(":")[0]
    events, values = sample.taken(search, search.lines[:1])
    own = sample.mode_of(events) == mode
    # Nearly all that is taken of such a spill is signal, or, for muons, decays to mu nu.
    n = int(own.sum())
    assert n > 100
    mean, sigma = core(values[own])
    stated = search.sigma(mass)
    assert abs(mean - search.observable_of(mass)) < 4 * stated / sqrt(n)
    assert abs(sigma / stated - 1.0) < 4 / sqrt(2 * n) + 0.05
    made = sample.made(mode)
    inside = int((own & sample.fiducial[np.maximum(sample.decay[events], 0)]).sum())
    expected = interpolate(search.acceptance, mass)
    assert abs(inside / made - expected) < 4 * sqrt(inside) / made + 0.05 * expected
