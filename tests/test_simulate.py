"""Simulated blocks: kernels against slow twins, statistics, boundaries."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from streams.catalogue import load_experiment
from streams.simulate.blocks import (
    BOUNDARY,
    INSIDE,
    SpillSimulation,
    generator,
    make_blocks,
    simulate_blocks,
)
from streams.simulate.clusters import pack_clusters
from streams.simulate.draw import draw_hits
from streams.simulate.intensity import CELL_FRAMES
from streams.simulate.outcomes import alias_table
from streams.simulate.response import load_response
from streams.simulate.settings import SimulationSettings
from trigger.clock import LSB_NS, LSB_PER_FRAME, LSB_S, seconds
from trigger.experiment import CALIBRATION_BIT
from trigger.frames import BLOCK_FRAMES, FrameStream, join

NA62 = load_experiment("na62")
NOMINAL_MHZ = 750.0
IMPLIED = (
    ("M2", "M1"),
    ("MO1", "M1"),
    ("MO2", "M2"),
    ("MO2", "MO1"),
    ("MOQX", "MO2"),
    ("Q2", "Q1"),
    ("QX", "Q2"),
    ("Q1", "H1"),
    ("H2", "H1"),
    ("Q2", "H2"),
    ("E10", "E5"),
    ("E20", "E10"),
    ("E30", "E20"),
    ("E40", "E30"),
    ("E30", "LKr30"),
)


def settings(**changed: Any) -> SimulationSettings:
    defaults = {"intensity_mhz": NOMINAL_MHZ, "duration_s": 0.02, "seed": 1}
    return SimulationSettings(**{**defaults, **changed})


def small(**changed: Any) -> SimulationSettings:
    """Settings quick enough without JIT, over several blocks."""
    return settings(**{"intensity_mhz": 10.0, "duration_s": 0.014, "accidentals": 0.0, **changed})


def simulate(**changed: Any) -> dict[str, FrameStream]:
    """Return detector -> stream of the whole spill."""
    blocks = list(simulate_blocks(settings(**changed), NA62))
    return {name: join([b.streams[name] for b in blocks]) for name in blocks[0].streams}


def naive_hits(
    rng: np.random.Generator,
    edges: Any,
    rates: Any,
    turn: Any,
    accept: Any,
    alias: Any,
    ids: Any,
    resolution: Any,
    reach: float,
    origin: int,
) -> list[list[tuple[int, int]]]:
    """Detector -> [(time, id)], decay by decay."""
    amplitude, frequency, phase = turn
    hits: list[list[tuple[int, int]]] = [[] for _ in resolution]
    for (start, stop), rate in zip(pairwise(edges), rates, strict=True):
        if rate == 0:
            continue
        time = start + rng.standard_exponential() * (1 / (rate * (1 + amplitude)))
        while time < stop:
            bright = 1 + amplitude * np.sin(phase + frequency * time)
            if amplitude == 0 or rng.random() * (1 + amplitude) < bright:
                row, rest = divmod(rng.random() * len(accept), 1)
                row = int(row) if rest < accept[int(row)] else int(alias[int(row)])
                for d, identity in enumerate(ids[row]):
                    if identity:
                        shift = np.clip(resolution[d] * rng.standard_normal(), -reach, reach)
                        hits[d].append((origin + int(np.floor(time + shift)), int(identity)))
            time += rng.standard_exponential() * (1 / (rate * (1 + amplitude)))
    return hits


@pytest.mark.parametrize("amplitude", [0.0, 0.3])
def test_drawn_hits_are_those_of_a_decay_by_decay_loop(amplitude: float) -> None:
    accept, alias = alias_table(np.array([0.5, 0.2, 0.3]))
    arguments = (
        np.array([-500.0, 0.0, 65536.0, 70000.0]),
        np.array([0.05, 0.01, 0.0]),
        np.array([amplitude, 2 * np.pi / 3000, 1.0]),
        accept,
        alias,
        np.array([[1, 0], [0, 2], [3, 4]], np.uint16),
        np.array([2.0, 10.0]),
        15.0,
        131072,
    )
    hits, counts = np.zeros((2, 2000), np.int64), np.zeros(2, np.int64)
    assert draw_hits(generator(7, 1), *arguments, hits, counts)
    expected = naive_hits(generator(7, 1), *arguments)
    for d in range(2):
        assert [(int(h) >> 16, int(h) & 0xFFFF) for h in hits[d, : counts[d]]] == expected[d]
    assert min(counts) > 100


def test_drawing_says_when_the_capacity_is_not_enough() -> None:
    accept, alias = alias_table(np.array([1.0]))
    hits, counts = np.zeros((1, 3), np.int64), np.zeros(1, np.int64)
    edges, rates, turn = np.array([0.0, 1000.0]), np.array([0.1]), np.zeros(3)
    ids = np.array([[1]], np.uint16)
    assert not draw_hits(
        generator(1), edges, rates, turn, accept, alias, ids, np.array([1.0]), 10.0, 0, hits, counts
    )


def naive_clusters(times: list[int], ids: list[int], window: int, n_frames: int) -> list[tuple[int, int]]:
    """[(time, id)] of the primitives."""
    kept = sorted(
        ((t, i) for t, i in zip(times, ids, strict=True) if 0 <= t < n_frames * LSB_PER_FRAME),
        key=lambda hit: hit[0],
    )
    clusters: list[list[tuple[int, int]]] = []
    for time, identity in kept:
        first = clusters[-1][0][0] if clusters else None
        joins = (
            first is not None
            and window > 0
            and time - first <= window
            and time // LSB_PER_FRAME == first // LSB_PER_FRAME
        )
        if joins:
            clusters[-1].append((time, identity))
        else:
            clusters.append([(time, identity)])
    return [
        (c[0][0] + sum(t - c[0][0] for t, _ in c) // len(c), int(np.bitwise_or.reduce([i for _, i in c])))
        for c in clusters
    ]


@pytest.mark.parametrize("window", [0, 1, 30, 128])
@pytest.mark.parametrize("spread", [4, 400, 3 * LSB_PER_FRAME])
def test_clusters_are_those_of_a_hit_by_hit_loop(window: int, spread: int) -> None:
    rng = np.random.default_rng(window + spread)
    for n in (0, 1, 2, 60):
        times = rng.integers(LSB_PER_FRAME - spread, LSB_PER_FRAME + spread, n)
        ids = rng.integers(1, 1 << 15, n)
        offsets, words = np.empty(3 + 1, np.int64), np.empty(n, np.uint32)
        n_words = pack_clusters((times << 16) | ids, window, offsets, words)
        stream = FrameStream(0, offsets, words[:n_words])
        stream.check()
        expected = naive_clusters(times.tolist(), ids.tolist(), window, 3)
        assert list(zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True)) == expected


@pytest.mark.needs_jit
@pytest.mark.parametrize("accidentals", [0.0, 1.0])
def test_detector_rates_are_those_of_the_table_within_their_statistics(accidentals: float) -> None:
    simulation = SpillSimulation(settings(flat=True, accidentals=accidentals), NA62)
    streams = simulate(flat=True, accidentals=accidentals)
    for detector, rate in simulation.outcomes.detector_rates().items():
        expected = rate * NOMINAL_MHZ * 1e6 * seconds(simulation.n_frames * LSB_PER_FRAME)
        assert len(streams[detector].words) == pytest.approx(expected, abs=4 * np.sqrt(expected))


@pytest.mark.needs_jit
@pytest.mark.parametrize("cluster_ns", [0.0, 12.5])
def test_primitives_carry_their_detectors_bit_and_what_their_conditions_imply(cluster_ns: float) -> None:
    streams = simulate(cluster_ns=cluster_ns, halo=1.0)
    for name, stream in streams.items():
        ids = stream.ids()
        assert (ids >> NA62.find(name).bits[name] & 1).all()
        assert not (ids >> CALIBRATION_BIT).any()
    for condition, implied in IMPLIED:
        detector, bit = NA62.bit(condition)
        ids = streams[detector.name].ids()
        has = ids >> bit & 1 == 1
        assert has.any()
        assert (ids[has] >> NA62.bit(implied)[1] & 1).all()


@pytest.mark.needs_jit
def test_two_clusters_above_5_gev_set_lkr30() -> None:
    ids = simulate()["LKr"].ids()
    bit = {name: ids >> number & 1 == 1 for name, number in NA62.find("LKr").bits.items()}
    np.testing.assert_array_equal(bit["LKr30"], bit["E30"] | (bit["E5"] & bit["C2"]))
    assert not (bit["C1"] & bit["C2"]).any()


@pytest.mark.needs_jit
def test_rates_are_proportional_to_the_intensity() -> None:
    for flat in (True, False):
        low, high = (
            simulate(intensity_mhz=mhz, flat=flat, duration_s=0.05)["CHOD"] for mhz in (150.0, 600.0)
        )
        n, m = len(low.words), len(high.words)
        assert m / n == pytest.approx(4, abs=4 * 4 * np.sqrt(1 / n + 1 / m))


@pytest.mark.needs_jit
def test_a_flat_spill_is_poisson() -> None:
    stream = simulate(flat=True, duration_s=0.05, accidentals=0.0)["CHOD"]
    per_frame = np.diff(stream.offsets)
    for group in (1, 16):
        counts = per_frame[: len(per_frame) // group * group].reshape(-1, group).sum(axis=1)
        mean, variance = counts.mean(), counts.var(ddof=1)
        duty = mean**2 / (mean**2 + variance - mean)
        assert duty == pytest.approx(1, abs=4 * np.sqrt(2 / len(counts)) / mean)
    within = stream.words & np.uint32(0xFFFF)
    filled = np.bincount(within >> np.uint32(10), minlength=64)
    chi2 = ((filled - filled.mean()) ** 2 / filled.mean()).sum()
    assert chi2 < 63 + 4 * np.sqrt(2 * 63)


@pytest.mark.needs_jit
def test_primitives_follow_the_intensity_and_the_turns_of_the_sps() -> None:
    asked = settings(duration_s=0.1, accidentals=0.0)
    simulation = SpillSimulation(asked, NA62)
    stream = simulate(duration_s=0.1, accidentals=0.0)["CHOD"]
    mean = simulation.profile.frames_mhz(0, simulation.n_frames)
    mean = mean * simulation.outcomes.detector_rates()["CHOD"] * 1e6 * seconds(LSB_PER_FRAME)
    counts, expected = (
        np.add.reduceat(x, np.arange(0, len(mean), 32)) for x in (np.diff(stream.offsets), mean)
    )
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < len(counts) + 4 * np.sqrt(2 * len(counts))
    turns = stream.times_lsb() / (924.04 * 256)
    amplitude = 2 * abs(np.exp(2j * np.pi * turns).mean())
    assert amplitude == pytest.approx(0.05, abs=4 * np.sqrt(2 / len(turns)))


@pytest.mark.needs_jit
@pytest.mark.parametrize(("detector", "sigma_ns"), [("CHOD", 0.2), ("NewCHOD", 1.0), ("MUV3", 0.5)])
def test_times_deviate_from_the_rich_by_both_resolutions(detector: str, sigma_ns: float) -> None:
    streams = simulate(intensity_mhz=20.0, duration_s=0.1, accidentals=0.0)
    expected_ns = np.hypot(sigma_ns, 0.1)
    rich, other = streams["RICH"].times_lsb(), streams[detector].times_lsb()
    near = np.clip(np.searchsorted(other, rich), 1, len(other) - 1)
    gap = np.where(rich - other[near - 1] < other[near] - rich, other[near - 1] - rich, other[near] - rich)
    gap = gap[np.abs(gap) * LSB_NS < 5 * expected_ns]
    assert gap.std() * LSB_NS == pytest.approx(expected_ns, rel=0.05)


def test_blocks_are_consecutive_and_sorted_and_cover_the_spill() -> None:
    asked = small(duration_s=0.015)
    blocks = list(simulate_blocks(asked, NA62))
    assert [b.first_frame for b in blocks] == [0, BLOCK_FRAMES, 2 * BLOCK_FRAMES]
    assert blocks[-1].stop_frame == asked.n_frames
    for block in blocks:
        for stream in block.streams.values():
            assert (stream.first_frame, stream.n_frames) == (block.first_frame, block.n_frames)
            stream.check()


def naive_spill(simulation: SpillSimulation) -> list[list[tuple[int, int]]]:
    """Every hit of a spill, detector -> [(time, id)] in LSB since SOB, from the decays of all its parts."""
    reach = int(np.ceil(10 * simulation.outcomes.resolution_lsb.max()))
    accept, alias = alias_table(simulation.outcomes.rates)
    frequency = 2 * np.pi / (924.04 * 256)
    hits: list[list[tuple[int, int]]] = [[] for _ in simulation.outcomes.detectors]
    block_starts = [*range(0, simulation.n_frames, BLOCK_FRAMES), simulation.n_frames]
    for number, frame in enumerate(block_starts):
        parts = [(BOUNDARY, -reach, reach)]
        if frame < simulation.n_frames:
            parts.append((INSIDE, reach, (block_starts[number + 1] - frame) * LSB_PER_FRAME - reach))
        for purpose, start, stop in parts:
            multiples = range((start // LSB_PER_FRAME + 1) * LSB_PER_FRAME, stop, LSB_PER_FRAME)
            edges = np.array([start, *multiples, stop], np.float64)
            frames = np.floor(edges[:-1] / LSB_PER_FRAME).astype(int) + frame
            inside = (frames >= 0) & (frames < simulation.n_frames)
            mhz = simulation.profile.cells_mhz[np.clip(frames, 0, simulation.n_frames - 1) // CELL_FRAMES]
            rates = np.where(inside, mhz * (simulation.outcomes.rate * 1e6 * LSB_S), 0)
            phase = frequency * (frame * LSB_PER_FRAME % (924.04 * 256)) + simulation.profile.turn_phase
            drawn = naive_hits(
                generator(simulation.settings.seed, purpose, number),
                edges,
                rates,
                (simulation.profile.turn_amplitude, frequency, phase),
                accept,
                alias,
                simulation.outcomes.ids,
                simulation.outcomes.resolution_lsb,
                reach,
                frame * LSB_PER_FRAME,
            )
            for d, more in enumerate(drawn):
                hits[d] += more
    return hits


@pytest.mark.parametrize("flat", [True, False])
def test_the_blocks_together_hold_every_hit_of_the_spill_once(flat: bool) -> None:
    table = load_response("na62")
    blurred = table.model_copy(update={"resolution_ns": {d: 200 * s for d, s in table.resolution_ns.items()}})
    simulation = SpillSimulation(small(flat=flat, intensity_mhz=20.0), NA62, blurred)
    made = list(make_blocks(simulation))
    assert len(made) == 3
    clipped = 0
    for detector, hits in zip(simulation.outcomes.detectors, naive_spill(simulation), strict=True):
        stream = join([m.block.streams[detector] for m in made])
        kept = [h for h in hits if 0 <= h[0] < simulation.n_frames * LSB_PER_FRAME]
        clipped += len(hits) - len(kept)
        seen = zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True)
        assert sorted(seen) == sorted(kept)
    assert sum(m.clipped for m in made) == clipped


def test_hits_smeared_out_of_the_spill_are_left_out_and_counted() -> None:
    # At each end, a detector's rate times its mean deviation outwards: sigma / sqrt(2 pi).
    table = load_response("na62")
    slow = table.model_copy(update={"resolution_ns": dict.fromkeys(table.resolution_ns, 100.0)})
    clipped, expected = 0, 0.0
    for seed in range(10):
        asked = settings(duration_s=1e-6, flat=True, seed=seed)
        simulation = SpillSimulation(asked, NA62, slow)
        clipped += sum(m.clipped for m in make_blocks(simulation))
        rates_hz = sum(simulation.outcomes.detector_rates().values()) * NOMINAL_MHZ * 1e6
        expected += 2 * rates_hz * 100e-9 / np.sqrt(2 * np.pi)
    # Hits of one decay are lost together: up to six at a time.
    assert clipped == pytest.approx(expected, abs=4 * np.sqrt(6 * expected))


def test_blocks_do_not_depend_on_the_order_in_which_they_are_made() -> None:
    asked = small()
    simulation = SpillSimulation(asked, NA62)
    backwards = {i: simulation.make(i).block for i in reversed(range(simulation.n_blocks))}
    for i, block in enumerate(simulate_blocks(asked, NA62, workers=3)):
        for name, stream in block.streams.items():
            np.testing.assert_array_equal(stream.words, backwards[i].streams[name].words)
            np.testing.assert_array_equal(stream.offsets, backwards[i].streams[name].offsets)


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    with closing(make_blocks(SpillSimulation(small(duration_s=0.05), NA62), workers=2)) as blocks:
        next(blocks)
        assert threading.active_count() > before
    assert threading.active_count() == before
