"""Candidates of a simulated spill, against the truth: efficiencies, resolutions, particle identification."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simulated import simulate

from streams.catalogue import load_menu
from streams.spill.reader import SpillReader
from trigger.l1.decision import Answers, make_answers
from trigger.l1.events import DETECTORS, Events, build_events
from trigger.l1.processor import AlgorithmRunner
from trigger.l1.program import compile_program
from trigger.particles import M_ELECTRON_GEV, M_KAON_GEV, M_MUON_GEV, M_PI0_GEV, M_PION_GEV
from trigger.reconstruct.bypassed import TrackCompleter
from trigger.reconstruct.candidates import MATCHED, NOMINAL, Candidates
from trigger.reconstruct.reconstructor import Objects, Reconstructor
from trigger.reconstruct.tracks import Tracks

pytestmark = pytest.mark.needs_jit

MENU = """\
name = "everything"
experiment = "na62"
[l0]
reference = "RICH"
fine_time_bits = 2
time_cut_lsb = 64
[l1]
straw = "refit"
[[line]]
name = "RICH"
condition = "RICH"
downscaling = 1
l1 = ["STRAW(multi-track)"]
"""

SIGNALS = "K-pi-pi0:br=0.3", "K-3pi:br=0.2", "K-mu-nu:br=0.2", "K-e-nu:br=0.2", "K-pi-4e:br=0.05"

CHARGED = (11, 13, 211)
NEAR_LSB = 15

Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class Spill:
    """A spill's events with L1's answers, what was read of it, and each event's decay, -1 for none or several."""

    events: Events
    answers: Answers
    objects: Objects
    modes: list[str]
    decays: NDArray[np.void]
    straight: Chosen
    decay_of: NDArray[np.int64]

    def of(self, records: NDArray[np.void], mode: str) -> tuple[Chosen, NDArray[np.void]]:
        """Which candidates are of a mode, in the fiducial volume, no track decaying in flight; the decay of each."""
        at = self.decay_of[records["event"]]
        decays = self.decays[at]
        z = decays["vertex_mm"][:, 2]
        ours = (at >= 0) & (decays["mode"] == self.modes.index(mode)) & self.straight[at]
        return ours & (z > 105e3) & (z < 180e3), decays

    def one(self, records: NDArray[np.void], mode: str, low: float, high: float) -> NDArray[np.void]:
        """The candidates with one track, a momentum (GeV) and the right beam track, of a mode."""
        ours, decays = self.of(records, mode)
        in_range = (records["p_gev"] > low) & (records["p_gev"] < high)
        own = (records["beam"] == MATCHED) & (decays["wrong_beam"] == 0)
        return np.asarray(records[ours & in_range & own])


def _straight(decays: NDArray[np.void], particles: NDArray[np.void]) -> Chosen:
    """Whether none of a decay's charged products decays in flight."""
    straight = np.ones(len(decays), bool)
    for i, decay in enumerate(decays):
        first = int(decay["first_particle"])
        own = particles[first : first + int(decay["n_particles"])]
        mothers = own["mother"][own["mother"] >= 0]
        straight[i] = not np.isin(np.abs(own["pdg"][mothers]), CHARGED).any()
    return straight


@pytest.fixture(scope="module")
def spill(tmp_path_factory: pytest.TempPathFactory) -> Spill:
    folder = tmp_path_factory.mktemp("candidates")
    menu_file, path = folder / "everything.toml", folder / "spill.h5"
    menu_file.write_text(MENU)
    signals = [word for signal in SIGNALS for word in ("--signal", signal)]
    simulate(
        path, "--intensity", "75", "--duration", "0.02", "--flat", "--seed", "11",
        "--hit-menu", str(menu_file), *signals,
    )  # fmt: skip
    menu, _ = load_menu(str(menu_file))
    with SpillReader(path) as reader:
        n, optional = reader.header.n_frames, reader.optional
        times = optional.read_records("readout", 0, n).times_lsb()
        assert optional.readout is not None
        streams = {name: optional.read_hits(name, 0, n) for name in DETECTORS}
        events = build_events(times, streams, optional.readout.windows, n)
        answers = AlgorithmRunner(compile_program(menu)).run(events, np.ones(len(times), np.uint16))
        objects = Objects(*(optional.read_records(name, 0, n) for name in ("beam", "clusters", "rings")))
        decays = optional.read_records("truth/decays", 0, n)
        particles = optional.read_records("truth/particles", 0, n).records
        assert optional.truth is not None
        modes = [mode["name"] for mode in optional.truth.modes]
    low, high = np.searchsorted(decays.times_lsb(), (times - NEAR_LSB, times + NEAR_LSB + 1))
    decay_of = np.where(high - low == 1, np.minimum(low, len(decays.records) - 1), -1)
    straight = _straight(decays.records, particles)
    return Spill(events, answers, objects, modes, decays.records, straight, decay_of)


def all_of(spill: Spill) -> NDArray[np.uint8]:
    return np.ones(len(spill.events), np.uint8)


@pytest.fixture(scope="module")
def found(spill: Spill) -> Candidates:
    tracks = Tracks(spill.answers.first_track, spill.answers.tracks, spill.answers.n_tracks)
    return Reconstructor().reconstruct(spill.events, all_of(spill), tracks, spill.objects)


def width(values: NDArray[Any]) -> float:
    """Half the distance of the quantiles that a standard deviation on each side would have."""
    low, high = np.quantile(values, [0.159, 0.841])
    return float(high - low) / 2


def test_the_missing_mass_of_pi_pi0_peaks_with_the_resolution_of_gtk_and_straw(
    spill: Spill, found: Candidates
) -> None:
    c = spill.one(found.one_track, "K-pi-pi0", 15.0, 35.0)
    assert len(c) > 600
    assert width(c["m2_pi_gev2"]) == pytest.approx(1.1e-3, rel=0.12)
    assert np.median(c["m2_pi_gev2"]) == pytest.approx(M_PI0_GEV**2, abs=2e-4)
    assert (c["kaon_sectors"] >= 5).mean() > 0.97


def test_without_beam_tracks_the_missing_mass_is_three_times_as_wide(spill: Spill) -> None:
    tracks = Tracks(spill.answers.first_track, spill.answers.tracks, spill.answers.n_tracks)
    objects = spill.objects._replace(beam=Objects.nothing().beam)
    one = Reconstructor().reconstruct(spill.events, all_of(spill), tracks, objects).one_track
    assert (one["beam"] == NOMINAL).all()
    ours = spill.of(one, "K-pi-pi0")[0] & (one["p_gev"] > 15.0) & (one["p_gev"] < 35.0)
    assert width(one["m2_pi_gev2"][ours]) == pytest.approx(3.1e-3, rel=0.12)


@pytest.mark.parametrize(
    ("mode", "field", "expected"), [("K-mu-nu", "m2_mu_gev2", 1.26e-3), ("K-e-nu", "m2_e_gev2", 1.4e-3)]
)
def test_the_missing_mass_of_l_nu_is_that_of_a_neutrino(
    spill: Spill, found: Candidates, mode: str, field: str, expected: float
) -> None:
    c = spill.one(found.one_track, mode, 15.0, 35.0)
    assert len(c) > 300
    assert width(c[field]) == pytest.approx(expected, rel=0.15)
    assert np.median(c[field]) == pytest.approx(0.0, abs=4e-4)


def test_vertices_of_one_track_are_where_the_decays_are(spill: Spill, found: Candidates) -> None:
    one = found.one_track
    ours, decays = spill.of(one, "K-pi-pi0")
    ours &= (one["beam"] == MATCHED) & (decays["wrong_beam"] == 0) & (one["p_gev"] < 60.0)
    off = one["z_mm"][ours] - decays["vertex_mm"][ours, 2]
    assert width(off) < 400.0
    # Now and then the track is that of another decay.
    near = np.abs(off) < 1500.0
    assert near.mean() > 0.995
    assert off[near].std() < 400.0
    assert abs(np.median(off)) < 50.0
    for axis, name in enumerate(("x_mm", "y_mm")):
        assert width(one[name][ours] - decays["vertex_mm"][ours, axis]) < 1.0
    assert np.median(one["cda_mm"][ours]) < 1.5


def test_photons_of_the_pi0_are_found_with_its_mass_and_vertex(spill: Spill, found: Candidates) -> None:
    c = spill.one(found.one_track, "K-pi-pi0", 10.0, 60.0)
    both = c[c["n_photons"] == 2]
    # The others miss the LKr, or are nearer than 60 mm to another particle there.
    assert len(both) > 0.3 * len(c)
    assert (c["n_photons"] > 2).mean() < 0.01
    assert width(both["m_gg_gev"]) < 2.5e-3
    assert np.median(both["m_gg_gev"]) == pytest.approx(M_PI0_GEV, abs=4e-4)
    assert width(both["m_pigg_gev"]) < 4.5e-3
    assert np.median(both["m_pigg_gev"]) == pytest.approx(M_KAON_GEV, abs=1e-3)
    assert np.median(both["p_total_gev"] - both["beam_p_gev"]) == pytest.approx(0.0, abs=0.2)
    assert width(both["z_pi0_mm"] - both["z_mm"]) < 1800.0
    assert np.median(both["z_pi0_mm"] - both["z_mm"]) == pytest.approx(0.0, abs=200.0)


def test_electrons_leave_all_their_energy_muons_little_and_pions_some(
    spill: Spill, found: Candidates
) -> None:
    eop = {}
    for mode in ("K-e-nu", "K-mu-nu", "K-pi-pi0"):
        c = spill.one(found.one_track, mode, 10.0, 60.0)
        eop[mode] = c["eop"][c["in_lkr"] == 1]
    assert np.median(eop["K-e-nu"]) == pytest.approx(1.0, abs=0.01)
    assert (np.abs(eop["K-e-nu"] - 1.0) < 0.1).mean() > 0.98
    assert (eop["K-mu-nu"] < 0.1).mean() > 0.97
    assert 0.1 < (eop["K-pi-pi0"] > 0.5).mean() < 0.5


def test_rings_tell_particles_apart_below_35_gev(spill: Spill, found: Candidates) -> None:
    masses = {"K-e-nu": M_ELECTRON_GEV, "K-mu-nu": M_MUON_GEV, "K-pi-pi0": M_PION_GEV}
    squares = np.square(list(masses.values()))
    for mode, mass in masses.items():
        c = spill.one(found.one_track, mode, 15.0, 35.0)
        assert np.isfinite(c["ring_mm"]).mean() > 0.97
        m2 = c["ring_m2_gev2"][np.isfinite(c["ring_m2_gev2"])]
        assert np.median(m2) == pytest.approx(mass**2, abs=4e-4)
        nearest = np.argmin(np.abs(m2[:, None] - squares), axis=1)
        assert (squares[nearest] == mass**2).mean() > 0.98


def test_muons_are_found_and_pions_and_electrons_are_none(spill: Spill, found: Candidates) -> None:
    muon = {}
    for mode in ("K-mu-nu", "K-pi-pi0", "K-e-nu"):
        c = spill.one(found.one_track, mode, 10.0, 65.0)
        muon[mode] = c["muon"][c["in_muv3"] == 1].mean()
    assert muon["K-mu-nu"] > 0.97
    assert muon["K-pi-pi0"] < 0.01
    assert muon["K-e-nu"] < 0.01


def test_muons_leave_the_photon_vetoes_dark(spill: Spill, found: Candidates) -> None:
    c = spill.one(found.one_track, "K-mu-nu", 15.0, 60.0)
    assert (c["lav_hits"] > 0).mean() < 0.06
    assert (c["small_angle_hits"] > 0).mean() < 0.01
    assert (c["n_photons"] > 0).mean() < 0.01


def test_three_pions_have_the_kaons_mass_momentum_and_vertex(spill: Spill, found: Candidates) -> None:
    three = found.three_tracks
    ours, decays = spill.of(three, "K-3pi")
    c = three[ours]
    assert len(c) > 500
    assert 0.65e-3 < width(c["m_3pi_gev"]) < 1.0e-3
    assert np.median(c["m_3pi_gev"]) == pytest.approx(M_KAON_GEV, abs=1e-4)
    matched = c["beam"] == MATCHED
    assert width(c["p_total_gev"][matched] - c["beam_p_gev"][matched]) < 0.35
    assert np.median(c["pt_gev"][matched]) < 4e-3
    off = c["z_mm"] - decays["vertex_mm"][ours, 2]
    assert width(off) < 500.0
    assert (np.abs(off) < 1500.0).mean() > 0.95
    assert np.median(c["cda_mm"]) < 3.0


def test_four_electrons_and_a_pion_have_the_kaons_mass(spill: Spill, found: Candidates) -> None:
    ours, _ = spill.of(found.five_tracks, "K-pi-4e")
    c = found.five_tracks[ours]
    assert len(c) > 10
    assert np.median(c["m_pi4e_gev"]) == pytest.approx(M_KAON_GEV, abs=1.5e-3)
    # Slow electrons are bent past the LKr.
    eop = c["eop"][:, 1:]
    assert (np.abs(eop[eop > 0.0] - 1.0) < 0.15).mean() > 0.7


def test_events_that_bypass_l1_get_the_tracks_that_it_would_have_found(spill: Spill) -> None:
    """Those that L1 did not bypass keep theirs, in one layout; those that nobody wants have none."""
    answers, n = spill.answers, len(spill.events)
    rng = np.random.default_rng(3)
    wanted, done = rng.random(n) < 0.5, rng.random(n) < 0.5
    part = answers._replace(done=np.where(done, answers.done, 0).astype(np.uint16))
    tracks, searched = TrackCompleter().complete(spill.events, wanted.astype(np.uint8), part)
    assert searched == np.count_nonzero(wanted & ~done)
    assert np.array_equal(tracks.n_tracks, np.where(wanted, answers.n_tracks, 0))
    kept = np.repeat(wanted, np.diff(answers.first_track))
    expected = answers.tracks[: answers.first_track[-1]][kept]
    assert np.array_equal(tracks.tracks[: tracks.first_track[-1]], expected, equal_nan=True)
    assert np.array_equal(np.diff(tracks.first_track), np.where(wanted, np.diff(answers.first_track), 0))


def test_an_event_without_straws_has_no_tracks(spill: Spill) -> None:
    status = spill.events.status.copy()
    status[:] = 1 << 6
    events = Events(spill.events.time_lsb, status, spill.events.hits, {})
    tracks, searched = TrackCompleter().complete(events, all_of(spill), make_answers(len(events)))
    assert searched == 0
    assert not tracks.n_tracks.any()
    assert not tracks.first_track.any()


def test_candidates_do_not_depend_on_how_the_spill_is_cut(spill: Spill, found: Candidates) -> None:
    """A block's records may reach beyond it, or begin where the triggers do."""
    made = Reconstructor()
    joined: list[list[NDArray[np.void]]] = [[], [], []]
    edges = [0, 1, 1000, 1001, len(spill.events) // 2, len(spill.events)]
    for low, high in pairwise(edges):
        cut = slice(low, high)
        hits = type(spill.events.hits)(
            *(h._replace(begin=h.begin[cut], end=h.end[cut]) for h in spill.events.hits)
        )
        events = Events(spill.events.time_lsb[cut], spill.events.status[cut], hits, {})
        a = spill.answers
        tracks = Tracks(a.first_track[low : high + 1], a.tracks, a.n_tracks[cut])
        wanted = np.ones(high - low, np.uint8)
        for parts, records in zip(
            joined, made.reconstruct(events, wanted, tracks, spill.objects), strict=True
        ):
            copy = records.copy()
            copy["event"] += low
            parts.append(copy)
    for parts, whole in zip(joined, found, strict=True):
        assert np.concatenate(parts).tobytes() == whole.tobytes()
