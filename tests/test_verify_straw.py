"""Recorded events of the STRAW algorithm against the compatible search: what counts as the same, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import NO_JIT
from golden_straw_files import GOLDEN, ONE_TRACK, THREE_TRACKS, Arrays, write

from streams.cli.verify import WIDTH, command
from streams.cli.verify_straw import ALL_OF_FILE, EXPLAINED, VERDICT_OF_ALL, VERDICT_OF_FILE
from streams.formats.golden_straw import read
from trigger.l1.straw.comparison import (
    HitLists,
    StrawAnswers,
    answer_events,
    make_straw_answers,
    same_answers,
    same_verdicts,
)
from trigger.l1.straw.explanation import Stepper, explain, named_bits
from trigger.l1.straw.geometry import N_STRAWS, place_of_id

MOST = 20 if NO_JIT else 150
"""Events of a file."""

MEMORY_EVENT = 114
"""Event of THREE_TRACKS whose answer hangs on what events before it left behind."""


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["straw", *map(str, arguments)])


def sample(folder: Path, change: Callable[[Arrays], object] = lambda _: None, name: str = "x.npz") -> Path:
    return write(folder, ONE_TRACK, 10, change, name)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.npz")), ids=lambda p: p.stem)
def test_the_search_gives_the_recorded_answers(path: Path, tmp_path: Path) -> None:
    golden = read(write(tmp_path, path, MOST))
    found = answer_events(golden.hits())
    assert same_verdicts(found, golden.recorded).mean() >= VERDICT_OF_FILE
    assert same_answers(found, golden.recorded).mean() >= 0.95


@pytest.mark.needs_jit
def test_memory_changes_an_answer_and_only_with_it_the_recorded_one_comes_out(tmp_path: Path) -> None:
    golden = read(write(tmp_path, THREE_TRACKS, MEMORY_EVENT + 1))
    with_memory, without = (answer_events(golden.hits(), memory) for memory in (True, False))
    assert same_answers(with_memory, golden.recorded)[MEMORY_EVENT]
    assert not same_answers(without, golden.recorded)[MEMORY_EVENT]


def answers(verdict: int, n_tracks: int, *p_mev: float) -> StrawAnswers:
    """Answers to one event."""
    made = make_straw_answers(1)
    made.verdict[0], made.n_tracks[0] = verdict, n_tracks
    made.p_mev[0, : len(p_mev)] = p_mev
    return made


@pytest.mark.parametrize(
    ("found", "same_verdict", "same"),
    [
        (answers(33, 2, 9999.0, 20000.0), True, True),
        (answers(33, 2, 9999.09, 20000.19), True, True),
        (answers(33, 2, 9999.0, 20000.3), True, False),
        (answers(33, 2, 20000.0, 9999.0), True, False),
        (answers(33, 2, 9999.0), True, False),
        (answers(33, 3, 9999.0, 20000.0, 30000.0), True, False),
        (answers(33, 1, 9999.0), True, False),
        (answers(32, 2, 9999.0, 20000.0), False, False),
    ],
)
def test_answers_are_the_same_with_verdict_number_and_momenta_to_six_digits(
    found: StrawAnswers, same_verdict: bool, same: bool
) -> None:
    recorded = answers(33, 2, 9999.0, 20000.0)
    assert same_verdicts(found, recorded).tolist() == [same_verdict]
    assert same_answers(found, recorded).tolist() == [same]


def test_events_without_tracks_are_the_same_and_the_fifth_track_is_not_compared() -> None:
    assert same_answers(answers(0, 0), answers(0, 0)).all()
    four = (1e4, 2e4, 3e4, 4e4)
    assert same_answers(answers(4, 6, *four), answers(4, 6, *four)).all()


def crowd(n_straws: int) -> HitLists:
    """One event with a hit in each of the first straws."""
    places = np.array([place_of_id(straw) for straw in range(N_STRAWS)])[:n_straws]
    times = np.full(n_straws, 50.0, np.float32)
    return HitLists(np.array([0, n_straws]), places, times, times + np.float32(100.0))


@pytest.mark.parametrize(("n_straws", "verdict"), [(749, 0), (750, 0x3F), (N_STRAWS, 0x3F)])
def test_an_event_with_1500_edges_is_accepted_unsearched(n_straws: int, verdict: int) -> None:
    found = answer_events(crowd(n_straws))
    assert (found.verdict.tolist(), found.n_tracks.tolist()) == ([verdict], [0])
    lines = explain(Stepper(crowd(n_straws), True).steps(0), found, found, 0)
    assert any("accepted unsearched" in line for line in lines) == (verdict == 0x3F)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (0, "0x00 (nothing)"),
        (33, "0x21 (pnn + one-track)"),
        (0x3F, "0x3F (pnn + exotic + multi-track + dv-loose + dv-tight + one-track)"),
        (0x42, "0x42 (exotic + 0x40)"),
    ],
)
def test_a_verdict_is_named_by_its_bits(verdict: int, text: str) -> None:
    assert named_bits(verdict) == text


def test_taken_apart_an_event_comes_to_the_end_that_the_search_comes_to(tmp_path: Path) -> None:
    golden = read(write(tmp_path, THREE_TRACKS, 12))
    hits = golden.hits()
    stepper = Stepper(hits, True)
    for event in (0, 3, 11):
        steps = stepper.steps(event)
        assert steps.good is not None
        assert steps.clusters is not None
        assert steps.made is not None
        assert steps.selected is not None
        assert steps.straws == np.diff(golden.offsets)[event] >= steps.good
        assert steps.good >= 2 * steps.clusters.sum() > 0
        assert steps.clusters.shape == (4, 4)
        assert (steps.selected <= steps.made).all()
        assert steps.candidates is not None
        assert steps.candidates >= golden.recorded.n_tracks[event]


def test_an_event_without_straws_is_taken_apart_too() -> None:
    steps = Stepper(crowd(0), False).steps(0)
    assert (steps.straws, steps.good, steps.candidates) == (0, 0, 0)
    found = answer_events(crowd(0))
    assert explain(steps, found, found, 0)[-2:] == [
        "verdict: 0x00 (nothing), as recorded",
        "tracks: 0, as recorded",
    ]


def test_verify_prints_a_line_for_each_file_and_the_total(tmp_path: Path) -> None:
    result = verify(sample(tmp_path), sample(tmp_path, name="y.npz"))
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0][:2] == ["file", "events"]
    assert rows[1:3] == [[name, "10", "10", "1.00000", "10", "1.00000"] for name in ("x.npz", "y.npz")]
    assert rows[3:] == [["total", "20", "20", "1.00000", "20", "1.00000"]]
    assert max(map(len, result.stdout.splitlines())) <= WIDTH


def spoil(c: Arrays) -> None:
    """One event with another verdict, one with another number of tracks, one with another momentum."""
    c["verdict"][2] ^= 2
    c["n_tracks"][4] = 2
    c["track_p_mev"][7, 0] += 1.0


def test_a_spoilt_answer_is_a_disagreement_that_is_explained_step_by_step(tmp_path: Path) -> None:
    result = verify(sample(tmp_path, spoil))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["x.npz", "10", "9", "0.90000", "7", "0.70000"]
    heads = [line.strip() for line in lines if line.startswith("  event")]
    assert heads == [
        "event 2 (from 0) differs in its verdict",
        "event 4 (from 0) differs in its number of tracks",
        "event 7 (from 0) differs in a momentum",
    ]
    first = lines[3 : lines.index("  " + heads[1])]
    assert [line.split(":")[0].strip() for line in first] == [
        "straws",
        "clusters by chamber in v u x y",
        "points by chamber",
        "candidates",
        "verdict",
        "tracks",
        "track 1",
    ]
    assert "verdict: 0x21 (pnn + one-track); recorded 0x23 (pnn + exotic + one-track)" in result.stdout
    assert "tracks: 1; recorded 2" in result.stdout
    p = read(ONE_TRACK).recorded.p_mev[7, 0]
    assert f"track 1: {p:.6g} MeV/c, charge +, z " in result.stdout
    assert f"; recorded {p + 1.0:.6g}, z " in result.stdout
    assert max(map(len, lines)) <= WIDTH


def test_only_the_first_disagreements_are_explained(tmp_path: Path) -> None:
    def spoil_all(c: Arrays) -> None:
        c["verdict"][:] = 0

    result = verify(sample(tmp_path, spoil_all))
    assert result.stdout.count("  event ") == EXPLAINED


def test_verify_as_json_gives_files_and_totals(tmp_path: Path) -> None:
    good, bad = sample(tmp_path), sample(tmp_path, spoil, "bad.npz")
    result = verify("--json", good, bad)
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["files"][0] == {
        "file": str(good),
        "events": 10,
        "same_verdict": 10,
        "same_all": 10,
        "verdict_exact": 1.0,
        "all_exact": 1.0,
        "error": None,
    }
    assert (answer["files"][1]["verdict_exact"], answer["files"][1]["all_exact"]) == (0.9, 0.7)
    assert (answer["events"], answer["verdict_exact"], answer["all_exact"]) == (20, 0.95, 0.85)


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("verdicts", "momenta", "code"),
    [(0, 0, 0), (1, 0, 0), (2, 0, 1), (5, 0, 1), (0, 20, 0), (0, 21, 1)],
)
def test_a_thousandth_of_other_verdicts_and_a_fiftieth_of_other_momenta_are_allowed(
    verdicts: int, momenta: int, code: int, tmp_path: Path
) -> None:
    """1,000 events: each of the first ten of the sample a hundred times."""

    def repeat(c: Arrays) -> None:
        n = len(c["straw_id"])
        c["hit_offsets"] = np.append((c["hit_offsets"][:-1] + n * np.arange(100)[:, None]).ravel(), 100 * n)
        for name in c.keys() - {"hit_offsets"}:
            c[name] = np.concatenate([c[name]] * 100)
        c["verdict"][:verdicts] ^= 2
        c["track_p_mev"][:momenta, 0] *= 2

    assert (VERDICT_OF_FILE, VERDICT_OF_ALL, ALL_OF_FILE) == (0.995, 0.999, 0.98)
    assert verify(sample(tmp_path, repeat)).exit_code == code


def test_a_file_that_cannot_be_read_is_one_line_and_the_others_still_run(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.npz"
    foreign.write_text("{}")
    good = sample(tmp_path)
    result = verify(foreign, good)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"ktrig: {foreign}: is not a numpy archive")
    assert result.stderr.count("\n") == 1
    assert ["x.npz", "10", "10", "1.00000", "10", "1.00000"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert verify(foreign).exit_code == 2
    assert verify(foreign, sample(tmp_path, spoil, "bad.npz")).exit_code == 1
    found = verify("--json", foreign, good)
    assert found.exit_code == 2
    assert found.stderr.startswith(f"ktrig: {foreign}: ")
    answer = json.loads(found.stdout)
    assert answer["files"][0]["error"].startswith(f"{foreign}: ")
    assert (answer["files"][0]["events"], answer["files"][0]["verdict_exact"]) == (0, None)
    assert (answer["events"], answer["verdict_exact"]) == (10, 1.0)


@pytest.mark.needs_jit
def test_without_memory_fewer_answers_are_the_recorded_ones(tmp_path: Path) -> None:
    path = write(tmp_path, THREE_TRACKS, 150)
    with_memory, without = (
        json.loads(verify("--json", *more, path).stdout) for more in ((), ("--no-memory",))
    )
    assert with_memory["all_exact"] > without["all_exact"]


def test_verify_wants_a_file() -> None:
    result = verify()
    assert result.exit_code == 2
    assert "Missing argument 'FILE...'" in result.stderr
