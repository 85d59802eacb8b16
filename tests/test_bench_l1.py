"""The benchmarks of L1 and of its search for tracks, untimed, so that they cannot rot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from golden_straw_files import GOLDEN, ONE_TRACK, THREE_TRACKS, Arrays, write
from simulated import simulate

from streams.bench import l1
from streams.bench.errors import BenchError
from streams.bench.l0 import MENU, REPETITIONS
from streams.bench.straw import bench_straw, found_fraction, read_samples, same_fraction
from streams.cli.bench import BLOCKS, WIDTH, command
from trigger.l1.algorithms import CALL_KTAG, CALL_LAV, CALL_STRAW
from trigger.l1.events import DETECTORS, EventHits


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


def figures(*arguments: str | Path) -> dict[str, Any]:
    result = bench(*arguments, "--json", "--repetitions", "1")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_bench_straw_has_times_by_sample_of_both_searches(tmp_path: Path) -> None:
    files = [write(tmp_path, path, 5) for path in (ONE_TRACK, THREE_TRACKS)]
    found = figures("straw", *files)
    assert set(found) == {
        "benchmark",
        "repetitions",
        "events",
        "edges_per_event",
        "us_per_event",
        "compatible_us_per_event",
        "events_per_s",
        "compatible_events_per_s",
        "refit_over_compatible",
        "compatible_same_verdict",
        "refit_track_found",
    }
    assert found["events"] == {"t1-n0": 5, "wide3-n50": 5}
    assert found["refit_track_found"] == {"t1-n0": 1.0}
    for name in found["events"]:
        refit, compatible = found["us_per_event"][name], found["compatible_us_per_event"][name]
        assert found["refit_over_compatible"][name] == pytest.approx(refit / compatible)
        assert found["events_per_s"][name] == pytest.approx(1e6 / refit)
        assert 50 < found["edges_per_event"][name] < 400


@pytest.mark.needs_jit
def test_the_refit_is_faster_than_the_search_of_the_experiment() -> None:
    found = bench_straw([str(GOLDEN / "wide5-n0.npz")], 3)
    assert found["refit_over_compatible"]["wide5-n0"] < 0.5


def test_bench_straw_tells_people_in_lines_that_fit(tmp_path: Path) -> None:
    result = bench("straw", write(tmp_path), "--repetitions", "1")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["sample", "t1-n0", "times", "compatible", "refit"]
    assert max(map(len, lines)) <= WIDTH


def test_bench_straw_without_files_says_which_it_wants() -> None:
    result = bench("straw")
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert (
        "Missing argument 'FILE...': give golden files of the STRAW algorithm (t1-n0.npz and others"
        in message
    )


def test_a_sample_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    one, two = write(tmp_path), write(tmp_path / "more")
    with pytest.raises(BenchError, match=f"{two}: sample 't1-n0' is also {one}; leave one out or rename it"):
        read_samples([str(one), str(two)])


def test_a_search_that_gives_other_verdicts_is_not_timed(tmp_path: Path) -> None:
    def spoil(c: Arrays) -> None:
        c["verdict"][:1] ^= 2

    (sample,) = read_samples([str(write(tmp_path, change=spoil))])
    with pytest.raises(BenchError, match=r"the recorded verdict in 0\.8000 of the events, less than 0\.99"):
        same_fraction(sample, sample.run_compatible())


def test_a_refit_that_misses_tracks_is_not_timed(tmp_path: Path) -> None:
    def spoil(c: Arrays) -> None:
        c["track_p_mev"][:2, 0] *= 1.06

    (sample,) = read_samples([str(write(tmp_path, change=spoil))])
    with pytest.raises(BenchError, match=r"the recorded track in 0\.6000 of the events that have one"):
        found_fraction(sample, sample.run_refit())


def test_figures_are_medians_of_at_least_7_unless_asked_otherwise() -> None:
    assert REPETITIONS >= 7
    for name in ("straw", "l1"):
        defaults = {option.name: option.default for option in command.commands[name].params}
        assert defaults["repetitions"] == REPETITIONS


@pytest.mark.needs_jit
def test_bench_l1_prints_its_figures_as_json(full_spill: Path) -> None:
    found = figures("l1", full_spill)
    assert {
        "benchmark",
        "spill",
        "menu",
        "straw",
        "duration_s",
        "events",
        "hits",
        "repetitions",
        "builder_seconds",
        "builder_events_per_s",
        "builder_cores_at_real_time",
        "builder_numpy_ratio",
        "l1_seconds",
        "l1_seconds_min",
        "l1_seconds_max",
        "l1_us_per_event",
        "l1_events_per_s",
        "l1_cores_at_real_time",
        "calls",
        "fates",
    } == set(found)
    assert (found["spill"], found["menu"], found["straw"]) == (str(full_spill), MENU, "refit")
    assert found["duration_s"] == pytest.approx(0.02, rel=0.01)
    assert found["builder_events_per_s"] == pytest.approx(found["events"] / found["builder_seconds"])
    assert found["l1_us_per_event"] == pytest.approx(1e6 * found["l1_seconds"] / found["events"])
    assert sum(found["fates"].values()) == pytest.approx(1.0)
    assert found["calls"]["MUV3(tight)"] == 0
    assert 1 >= found["calls"]["KTAG"] > found["calls"]["LAV"] > found["calls"]["STRAW"] > 0


@pytest.mark.needs_jit
def test_bench_l1_uses_as_many_blocks_as_asked_from_the_middle(full_spill: Path) -> None:
    whole, one = (l1.make_task(full_spill, MENU, blocks) for blocks in (BLOCKS, 1))
    assert len(one.pieces) == 1
    (piece,) = one.pieces
    assert (piece.times_lsb >> 16 >= 1024).all()
    assert (piece.times_lsb >> 16 < 2048).all()
    assert one.seconds == pytest.approx(whole.seconds / 3, rel=0.05)
    middle = next(p for p in whole.pieces if p.times_lsb[0] >> 16 >= 1024)
    assert piece.times_lsb.tolist() == middle.times_lsb.tolist()
    assert piece.flags.tolist() == middle.flags.tolist()


@pytest.mark.needs_jit
def test_bench_l1_tells_people_in_lines_that_fit(full_spill: Path) -> None:
    result = bench("l1", full_spill, "--repetitions", "1", "--blocks", "1")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "spill",
        "menu",
        "build",
        "numpy",
        "l1",
        "time",
        "ran",
        "fates",
    ]
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.needs_jit
def test_a_builder_that_leaves_out_a_hit_is_not_timed(full_spill: Path) -> None:
    task = l1.make_task(full_spill, MENU, 1)
    (events,), expected = task.build(), task.build_numpy()
    l1.check_built(task, [events], expected)
    events.hits.lav.end[5] -= 1
    with pytest.raises(BenchError, match="the event builder and numpy differ in the hits of LAV; report"):
        l1.check_built(task, [events], expected)


@pytest.mark.needs_jit
def test_windows_longer_than_the_hits_in_memory_are_refused(full_spill: Path) -> None:
    task = l1.make_task(full_spill, MENU, 1)
    task = replace(task, windows={**task.windows, "LAV": (-200_000.0, 200_000.0)})
    with pytest.raises(BenchError, match="reach beyond the frame next to a trigger's"):
        l1.check_built(task, task.build(), task.build_numpy())


def test_calls_are_named_by_their_bit() -> None:
    assert len(EventHits._fields) == len(DETECTORS)
    assert list(l1.CALL_NAMES) == list(range(9))
    names = {call: l1.CALL_NAMES[call] for call in (CALL_KTAG, CALL_LAV, CALL_STRAW)}
    assert list(names.values()) == ["KTAG", "LAV", "STRAW"]


def test_a_spill_without_hits_is_refused(spill: Path) -> None:
    with pytest.raises(BenchError, match=f"{spill}: has no hits; simulate a spill without --no-hits"):
        l1.make_task(spill, MENU, 1)


def test_a_spill_without_hits_of_its_triggers_is_refused(tmp_path: Path) -> None:
    dark = simulate(tmp_path / "dark.h5", "--intensity", "0.01", "--duration", "0.001", "--no-halo")
    with pytest.raises(
        BenchError, match=r"has hits for none of the \d+ triggers of menu na62-2018 in frames 0 to 156"
    ):
        l1.make_task(dark, MENU, 1)


@pytest.mark.needs_jit
def test_bench_l1_simulates_a_spill_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l1, "DURATION_S", 0.002)
    found = figures("l1")
    assert (found["spill"], found["seed"]) == (None, l1.SEED)
    assert found["events"] > 100


def test_blocks_are_at_least_one() -> None:
    result = bench("l1", "x", "--blocks", "0")
    assert result.exit_code == 2
    assert "0 is not in the range 1<=x<=200" in result.stderr
