"""The picture of a spill: what it shows against the truth, and that any spill can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import plot
from spill_cases import write, write_full

from streams.catalogue import load_experiment, load_menu
from streams.plots.spill import fit_peak, gaussian
from streams.plots.spill_content import M2_GEV2, P_GEV, VERTEX_M, SpillContent, collect, tracks_of
from streams.spill.reader import SpillReader
from trigger.clock import FRAME_S
from trigger.particles import GAMMA, KAON, M_PI0_GEV, MUON, NEUTRINO, PION, charge, charges
from trigger.records import DECAY, PARTICLE

NA62 = load_experiment("na62")
LINES = {line.name: bit for bit, line in enumerate(load_menu("na62-2018")[0].line)} | {"Control": -1}


@pytest.fixture(scope="module")
def content(full_spill: Path) -> SpillContent:
    with SpillReader(full_spill) as reader:
        return collect(reader, NA62, LINES)


def test_the_intensity_of_the_primitives_is_that_of_the_beam(content: SpillContent) -> None:
    assert content.true_mhz is not None
    weights = np.diff(content.intensity_s)
    assert np.average(content.true_mhz, weights=weights) == pytest.approx(100.0, rel=0.02)
    assert np.average(content.estimated_mhz, weights=weights) == pytest.approx(100.0, rel=0.08)


def test_rates_of_lines_are_those_of_the_readout(content: SpillContent, full_spill: Path) -> None:
    with SpillReader(full_spill) as reader:
        n_frames = reader.header.n_frames
        records = reader.optional.read_records("readout", 0, n_frames).records
    assert content.lines_khz is not None
    for name, bit in LINES.items():
        fired = records["word"] & 0x10 != 0 if bit < 0 else records["flags"] >> bit & 1 == 1
        assert content.lines_khz[name] == pytest.approx(fired.sum() / (n_frames * FRAME_S) * 1e-3)


def test_two_body_decays_lie_at_the_mass_of_what_is_missing(content: SpillContent) -> None:
    """Between 45 and 65 GeV/c nothing but K+ -> pi+ pi0 is above 0.01 GeV^2 and Kmu2 below it."""
    rows = (P_GEV[:-1] >= 45) & (P_GEV[:-1] < 65)
    shape = content.m2_p[rows].sum(axis=0)
    middles = (M2_GEV2[1:] + M2_GEV2[:-1]) / 2
    above = middles > 0.01
    assert np.average(middles[above], weights=shape[above]) == pytest.approx(M_PI0_GEV**2, abs=2e-3)
    assert content.m3pi.sum() > 50


def test_vertices_are_those_of_the_decays(content: SpillContent, full_spill: Path) -> None:
    with SpillReader(full_spill) as reader:
        n_frames, truth = reader.header.n_frames, reader.optional.truth
        decays = reader.optional.read_records("truth/decays", 0, n_frames).records
    assert truth is not None
    assert content.decays == len(decays)
    for number, mode in enumerate(truth.modes):
        z = decays["vertex_mm"][decays["mode"] == number, 2] * 1e-3
        if len(z):
            np.testing.assert_array_equal(content.vertices[mode["name"]], np.histogram(z, VERTEX_M)[0])


def test_one_track_decays_are_kaons_with_one_charged_product_whatever_comes_of_it() -> None:
    decays = np.zeros(4, DECAY)
    decays["pdg"] = [KAON, KAON, PION, KAON]
    products = [
        [(-MUON, -1), (NEUTRINO, -1)],
        [(PION, -1), (PION, -1), (-PION, -1), (-MUON, 0), (NEUTRINO, 0)],
        [(-MUON, -1), (NEUTRINO, -1)],
        [(PION, -1), (111, -1), (GAMMA, 1), (GAMMA, 1), (-MUON, 0), (NEUTRINO, 0)],
    ]
    decays["n_particles"] = [len(p) for p in products]
    starts = np.concatenate([[0], np.cumsum(decays["n_particles"])[:-1]])
    particles = np.zeros(int(decays["n_particles"].sum()), PARTICLE)
    particles["pdg"], particles["mother"] = np.array([row for p in products for row in p]).T
    found = tracks_of(decays, particles, starts)
    assert found["one"][0].tolist() == [0, 3]
    assert found["one"][1].tolist() == [0, 9]
    assert found["three"][0].tolist() == [1]
    assert found["three"][1].tolist() == [[2, 3, 4]]


def test_charges_are_those_of_the_kernel() -> None:
    pdg = np.array([11, -11, 13, -13, 22, 111, 12, 211, -211, 321, -321, 2212, 99, 0])
    assert charges(pdg).tolist() == [charge(int(p)) for p in pdg]


def test_a_peak_is_fitted_with_its_mean_and_width() -> None:
    edges = np.linspace(487.0, 500.0, 131)
    values = np.random.default_rng(1).normal(493.7, 0.7, 20_000)
    fitted = fit_peak(np.histogram(values, edges)[0].astype(float), edges)
    assert fitted is not None
    assert fitted[0] == pytest.approx(493.7, abs=4 * 0.7 / np.sqrt(20_000))
    assert fitted[1] == pytest.approx(0.7, abs=4 * 0.7 / np.sqrt(2 * 20_000) + 0.005)
    assert fit_peak(np.zeros(130), edges) is None
    assert gaussian(np.array([2.0]), 3.0, 2.0, 1.0) == 3.0


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_spill_is_drawn_the_same_each_time(
    full_spill: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    pictures = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for picture in pictures:
        assert plot(monkeypatch, "spill", full_spill, "-o", picture) == 0
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert pictures[0].stat().st_size > 10_000


def test_a_spill_with_primitives_only_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "plain.h5")
    assert plot(monkeypatch, "spill", path) == 0
    assert (tmp_path / "plain.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("nowhere.h5",), "nowhere.h5: No such file or directory", 1),
        (("full.h5", "-o", "x.gif"), "'x.gif' must end in .png, .svg, .pdf", 2),
        (("full.h5", "-o", "nowhere/x.png"), "'nowhere' is not a folder; make it, or name another", 2),
        (("full.h5",), "its hit menu na62-2018 is not the one that ktrig has; give it with --hit-menu", 1),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
    code: int,
) -> None:
    write_full(tmp_path / "full.h5")
    monkeypatch.chdir(tmp_path)
    assert plot(monkeypatch, "spill", *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
