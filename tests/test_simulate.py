"""Simulated spills: two passes that agree, blocks that fit together, the same bytes for any number of workers."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_cases import request

from streams.catalogue import load_experiment, load_menu
from streams.simulate.apparatus import load_apparatus
from streams.simulate.blocks import in_order, make_pieces, simulate_blocks
from streams.simulate.detectors.hit import L0_NAMES
from streams.simulate.detectors.primitives import Primitives
from streams.simulate.readout import Readout, load_readout
from streams.simulate.settings import SimulationSettings
from streams.simulate.simulation import Piece, SpillSimulation
from streams.simulate.windows import inside, intervals
from streams.simulate.write import write_spill
from streams.spill.reader import SpillReader
from streams.stages.inline import replay_inline
from streams.stages.request import Watcher
from trigger.clock import FRAME_S, LSB_NS, LSB_PER_FRAME
from trigger.frames import BLOCK_FRAMES, FrameStream, join
from trigger.records import BEAM, KINDS

pytestmark = pytest.mark.needs_jit

NA62 = load_experiment("na62")
READOUT = load_readout(NA62, "na62-2018")


def settings(**changed: Any) -> SimulationSettings:
    defaults: dict[str, Any] = {"intensity_mhz": 400.0, "duration_s": 0.02, "seed": 1}
    return SimulationSettings(**{**defaults, **changed})


def pieces(readout: Readout | None = READOUT, workers: int = 1, **changed: Any) -> list[Piece]:
    return list(make_pieces(SpillSimulation(settings(**changed), NA62), readout, workers))


def hits(made: list[Piece], name: str) -> FrameStream:
    return join([p.extras.hits[name] for p in made if p.extras])


def records(made: list[Piece], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Times in LSB since SOB, and records."""
    streams = [p.extras.records[kind] for p in made if p.extras]
    return np.concatenate([s.times_lsb() for s in streams]), np.concatenate([s.records for s in streams])


@pytest.fixture(scope="module")
def made() -> list[Piece]:
    return pieces()


@pytest.mark.parametrize("workers", [2, 3])
def test_the_same_seed_gives_the_same_file_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    contents = []
    for name, seed, n in (("a", 1, 1), ("b", 1, workers), ("c", 2, 1)):
        write_spill(tmp_path / name, settings(seed=seed, duration_s=0.014), NA62, READOUT, workers=n)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_primitives_do_not_depend_on_what_is_read_out(made: list[Piece]) -> None:
    for block, piece in zip(simulate_blocks(settings(), NA62), made, strict=True):
        for name, stream in block.streams.items():
            np.testing.assert_array_equal(stream.words, piece.block.streams[name].words)
            np.testing.assert_array_equal(stream.offsets, piece.block.streams[name].offsets)


def test_blocks_are_consecutive_and_sorted_and_cover_the_spill(made: list[Piece]) -> None:
    assert [p.block.first_frame for p in made] == [i * BLOCK_FRAMES for i in range(len(made))]
    assert made[-1].block.stop_frame == settings().n_frames
    for piece in made:
        assert piece.extras is not None
        streams = (*piece.block.streams.values(), *piece.extras.hits.values())
        for stream in streams:
            assert (stream.first_frame, stream.n_frames) == (piece.block.first_frame, piece.block.n_frames)
            stream.check()
        for kind, found in piece.extras.records.items():
            assert found.records.dtype == KINDS[kind]
            assert (np.diff(found.times_lsb()) >= 0).all()


@pytest.mark.parametrize("detector", ["CHOD", "NewCHOD", "MUV3"])
def test_the_hits_around_a_trigger_make_the_primitives_around_it(made: list[Piece], detector: str) -> None:
    """The second pass repeats the first to the last bit: hits clustered again are the primitives.

    Where a cluster begins may depend on the hit before, and so on: windows must be wider than what is compared.
    """
    first_frame, n_frames = 0, settings().n_frames
    stream = hits(made, detector)
    packed = (stream.times_lsb() << 16) | stream.ids()
    again = Primitives(load_apparatus("na62"), NA62).make(
        L0_NAMES.index(detector), packed, first_frame, n_frames
    )
    times, _ = records(made, "readout")
    inner = intervals(times, round(-8 / LSB_NS), round(8 / LSB_NS))
    primitives = join([p.block.streams[detector] for p in made])
    expected, found = (
        np.stack([s.times_lsb(), s.ids()])[:, inside(s.times_lsb(), inner)] for s in (primitives, again)
    )
    assert expected.shape[1] > 500
    np.testing.assert_array_equal(found, expected)


def test_hits_and_records_lie_in_their_windows(made: list[Piece]) -> None:
    times, _ = records(made, "readout")
    for name in ("KTAG", "CHOD", "NewCHOD", "LAV", "IRCSAC", "STRAW", "MUV3"):
        assert inside(hits(made, name).times_lsb(), READOUT.intervals(name, times)).all()
        assert len(hits(made, name).words) > 100
    for kind, window in (("beam", "GTK"), ("clusters", "LKr"), ("rings", "RICH")):
        when, _ = records(made, kind)
        assert inside(when, READOUT.intervals(window, times)).all()
        assert len(when) > 1000


def test_another_hit_menu_reads_out_the_same_hits_where_both_do(made: list[Piece]) -> None:
    """What is simulated does not depend on what is looked at.

    A trigger of one menu can be lost in the other to an earlier one in its tick: it is left out.
    """
    menu = load_menu("na62-2018")[0]
    fewer = Readout(menu.model_copy(update={"line": menu.line[:1], "control": None}), READOUT.windows)
    other = pieces(fewer)
    times = np.intersect1d(records(other, "readout")[0], records(made, "readout")[0])
    assert 1000 < len(times) < len(records(made, "readout")[0])
    for name in ("KTAG", "STRAW", "LAV", "CHOD"):
        ranges = READOUT.intervals(name, times)
        one, two = (hits(m, name) for m in (made, other))
        both = [np.stack([s.times_lsb(), s.ids()])[:, inside(s.times_lsb(), ranges)] for s in (one, two)]
        np.testing.assert_array_equal(both[0], both[1])


def test_the_triggers_read_out_are_those_of_a_replay(made: list[Piece], tmp_path: Path) -> None:
    write_spill(tmp_path / "spill.h5", settings(), NA62)
    report = replay_inline(request(tmp_path / "spill.h5"), Watcher())
    _, readout = records(made, "readout")
    control = int(((readout["word"] & 0x10) != 0).sum())
    after = {line["name"]: line["after"] for line in report["lines"]}
    assert len(readout) == report["l0_triggers"]
    assert control == after["Control"]
    for i, line in enumerate(load_menu("na62-2018")[0].line):
        assert int((readout["flags"] >> i & 1).sum()) == after[line.name]


def test_the_gtk_counts_the_beam_of_its_window() -> None:
    """45 ns at 600 MHz are 27 particles in each station, and their number is Poisson."""
    made = pieces(intensity_mhz=600.0, flat=True)
    _, readout = records(made, "readout")
    lsb_ns = 2 * np.ceil(22.5 / LSB_NS) * LSB_NS
    mean = 600e6 * lsb_ns * 1e-9 * 0.99
    counts = readout["gtk_hits"].astype(float)
    n = len(counts)
    # Three in a hundred more: the decays that trigger are themselves in the window.
    assert counts.mean() == pytest.approx(mean + 1, abs=0.5)
    assert counts[:, 0].var() == pytest.approx(mean, rel=4 * np.sqrt(2 / n) + 0.03)


def test_each_kaon_decay_that_triggers_has_its_matched_beam_track_in_time(made: list[Piece]) -> None:
    times, _ = records(made, "readout")
    decay_times, decays = records(made, "truth/decays")
    beam_times, beam = records(made, "beam")
    assert beam.dtype == BEAM
    own = inside(decay_times, intervals(times, round(-1 / LSB_NS), round(1 / LSB_NS))) & (
        decays["pdg"] == 321
    )
    matched = np.sort(beam_times[beam["matched"] == 1])
    right = np.clip(np.searchsorted(matched, decay_times[own]), 1, len(matched) - 1)
    gap = np.minimum(np.abs(matched[right] - decay_times[own]), np.abs(matched[right - 1] - decay_times[own]))
    assert (gap * LSB_NS < 1).all()
    wrong = decays["wrong_beam"].mean()
    assert wrong == pytest.approx(2.6e-5 * 400, abs=4 * np.sqrt(0.0104 / len(decays)) + 0.002)


def test_truth_is_kept_of_what_fired_or_of_all_as_asked() -> None:
    signal = ("K-pi-X:mass=0.2,br=0.05",)
    kept = {
        truth: records(pieces(truth=truth, signals=signal, duration_s=0.01), "truth/decays")[1]
        for truth in ("triggered", "signal", "fiducial")
    }
    simulation = SpillSimulation(settings(truth="signal", signals=signal, duration_s=0.01), NA62)
    made = np.sum([p.made for p in make_pieces(simulation)], axis=0)
    number = simulation.catalogue.number("K-pi-X")
    assert (kept["triggered"]["fired"] != 0).all()
    assert (kept["signal"]["mode"] == number).sum() == made[number, 0]
    z = kept["fiducial"]["vertex_mm"][:, 2]
    assert ((z >= 105e3) & (z < 180e3)).sum() == made[:, 1].sum()
    assert len(kept["triggered"]) < len(kept["signal"]) < len(kept["fiducial"])


def test_particles_of_the_truth_conserve_momentum_and_belong_to_their_decay(tmp_path: Path) -> None:
    write_spill(tmp_path / "spill.h5", settings(duration_s=0.014), NA62, READOUT)
    with SpillReader(tmp_path / "spill.h5") as reader:
        n = reader.header.n_frames
        decays = reader.optional.read_records("truth/decays", 0, n).records
        particles = reader.optional.read_records("truth/particles", 0, n).records
    assert (decays["first_particle"][1:] == np.cumsum(decays["n_particles"])[:-1]).all()
    for decay in decays[:: len(decays) // 200]:
        first = int(decay["first_particle"])
        own = particles[first : first + int(decay["n_particles"])]
        products = own[own["mother"] == -1]
        np.testing.assert_allclose(products["p_gev"].sum(axis=0), decay["p_gev"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            products["vertex_mm"], np.tile(decay["vertex_mm"], (len(products), 1)), rtol=1e-6
        )


def test_rates_are_proportional_to_the_intensity() -> None:
    for flat in (True, False):
        counts = []
        for mhz in (50.0, 200.0):
            blocks = simulate_blocks(settings(intensity_mhz=mhz, flat=flat, duration_s=0.05), NA62)
            counts.append(sum(len(block.streams["LKr"].words) for block in blocks))
        n, m = counts
        # 12.5 ns clusters of LKr, 0.9 MHz at 200 MHz: 1% fewer.
        assert m / n == pytest.approx(4, abs=4 * 4 * np.sqrt(1 / n + 1 / m) + 0.05)


def test_primitives_follow_the_intensity_and_the_turns_of_the_sps() -> None:
    asked = settings(duration_s=0.1, intensity_mhz=150.0, accidentals=0.0, halo=0.0)
    simulation = SpillSimulation(asked, NA62)
    stream = join([b.streams["RICH"] for b in simulate_blocks(asked, NA62)])
    shape = simulation.profile.frames_mhz(0, simulation.n_frames)
    expected = shape * (len(stream.words) / shape.sum())
    groups = np.arange(0, len(shape), 32)
    counts, means = (np.add.reduceat(x, groups) for x in (np.diff(stream.offsets), expected))
    chi2 = ((counts - means) ** 2 / means).sum()
    assert chi2 < len(counts) + 4 * np.sqrt(2 * len(counts))
    turns = stream.times_lsb() / (924.04 * 256)
    amplitude = 2 * abs(np.exp(2j * np.pi * turns).mean())
    assert amplitude == pytest.approx(0.05, abs=4 * np.sqrt(2 / len(turns)))


def test_the_room_for_hits_grows_when_it_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pieces(duration_s=0.007)
    monkeypatch.setattr("streams.simulate.simulation.HITS_A_MOMENT", 1e-6)
    monkeypatch.setattr("streams.simulate.second_look.ROOM", 1)
    monkeypatch.setattr("streams.simulate.second_look.SPARE", 1)
    for small, large in zip(pieces(duration_s=0.007), expected, strict=True):
        assert small.extras is not None
        assert large.extras is not None
        for name, stream in large.extras.hits.items():
            np.testing.assert_array_equal(small.extras.hits[name].words, stream.words)
        for kind, found in large.extras.records.items():
            np.testing.assert_array_equal(small.extras.records[kind].records, found.records)


def test_halo_and_accidentals_add_their_rates() -> None:
    def rate(name: str, **scales: float) -> float:
        blocks = simulate_blocks(settings(intensity_mhz=100.0, duration_s=0.2, flat=True, **scales), NA62)
        return sum(len(b.streams[name].words) for b in blocks) / 0.2 / 100 * 750 * 1e-6

    none = rate("MUV3", accidentals=0.0, halo=0.0)
    assert rate("MUV3", accidentals=1.0, halo=0.0) - none == pytest.approx(0.30, abs=0.05)
    assert 0.1 < rate("MUV3", accidentals=0.0, halo=1.0) - none < 1.0


def test_work_done_ahead_ends_with_the_one_who_asked_for_it() -> None:
    before = threading.active_count()
    simulation = SpillSimulation(settings(duration_s=0.05), NA62)
    with closing(make_pieces(simulation, READOUT, workers=2)) as made:
        next(made)
    assert threading.active_count() == before


def test_items_are_made_in_order_and_not_far_ahead() -> None:
    asked: list[int] = []

    def items() -> Any:
        for i in range(20):
            asked.append(i)
            yield i

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        for i, made in enumerate(in_order(pool, lambda x: x * x, items(), 4)):
            assert made == i * i
            assert len(asked) <= i + 5


def test_the_duty_factor_of_the_plateau_is_that_of_good_bursts() -> None:
    """0.87 to 0.92 in bins of 5 ms, for any seed; the deepest dips of a plateau of a second and a half count."""
    for seed in range(5):
        cells = SpillSimulation(settings(seed=seed, duration_s=4.8), NA62).profile.cells_mhz
        plateau = cells[round(2.0 / (8 * FRAME_S)) : round(3.5 / (8 * FRAME_S))]
        per_bin = round(5e-3 / (8 * FRAME_S))
        bins = plateau[: len(plateau) // per_bin * per_bin].reshape(-1, per_bin).mean(axis=1)
        assert 0.87 < bins.mean() ** 2 / (bins**2).mean() < 0.93


def test_other_settings_give_other_spills() -> None:
    one = settings(duration_s=0.007)
    first = next(iter(simulate_blocks(one, NA62))).streams["CHOD"].words
    for other in (replace(one, seed=2), replace(one, intensity_mhz=401.0), replace(one, flat=True)):
        assert not np.array_equal(first, next(iter(simulate_blocks(other, NA62))).streams["CHOD"].words)


def test_times_are_counted_from_the_start_of_burst(made: list[Piece]) -> None:
    times, _ = records(made, "readout")
    assert times.min() >= 0
    assert times.max() < settings().n_frames * LSB_PER_FRAME
