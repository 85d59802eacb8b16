"""Two menus on one spill: known changes of a menu give known differences, causes and sums."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from replay_cases import random_streams, request, write

from streams.compare import make_comparison, play
from streams.compare_report import LEVEL_NAMES, Report, build_report
from streams.stages.inline import replay_inline
from streams.stages.request import Watcher
from trigger.frames import BLOCK_FRAMES
from trigger.l0.causes import Cause

SHIPPED = Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml"
A = "na62-2018"

Compare = Callable[..., Report]


@pytest.fixture
def compared(spill: Path, tmp_path: Path) -> Compare:
    """Compare the shipped menu with one in which these texts are replaced."""

    def run(*pairs: tuple[str, str], block_frames: int = BLOCK_FRAMES, path: Path = spill) -> Report:
        text = SHIPPED.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "b.toml").write_text(text, encoding="utf-8")
        asked = make_comparison(path, (A, str(tmp_path / "b.toml")), None, block_frames)
        return build_report(asked, play(asked))

    return run


def line(report: Report, name: str) -> dict[str, Any]:
    (found,) = [entry for entry in report["lines"] if entry["name"] == name]
    return dict(found)


def why(causes: list[dict[str, Any]]) -> dict[tuple[str, ...], int]:
    return {tuple(cause["why"]): cause["events"] for cause in causes}


def test_identical_menus_do_not_differ_and_have_no_errors(compared: Compare) -> None:
    report = compared()
    assert report["closed"]
    assert report["same_settings"]
    for entry in [*(entry[level] for entry in report["lines"] for level in LEVEL_NAMES), report["triggers"]]:
        assert (entry["lost"], entry["gained"]) == (0, 0)
        assert (entry["difference_hz"], entry["difference_error_hz"]) == (0.0, 0.0)
        assert (entry["ratio"], entry["ratio_error"]) == (1.0, 0.0)
    assert report["overlap"]["A"] == report["overlap"]["B"]
    assert report["only_in"] == {"A": [], "B": []}


def test_counts_and_rates_are_those_of_a_replay(compared: Compare, spill: Path) -> None:
    report = compared(("downscaling = 400", "downscaling = 7"))
    replayed = replay_inline(request(spill), Watcher())
    assert report["triggers"]["A"]["events"] == replayed["l0_triggers"]
    assert (report["beam_s"], report["beam_span_s"]) == (replayed["beam_s"], replayed["beam_span_s"])
    for entry, expected in zip(report["lines"], replayed["lines"], strict=True):
        for level in LEVEL_NAMES:
            assert entry["A"][level] == {
                "events": expected[level],
                "rate_hz": expected[f"rate_{level}_hz"],
                "rate_error_hz": expected[f"rate_{level}_error_hz"],
            }


def test_a_veto_that_is_removed_gains_what_it_vetoed(compared: Compare) -> None:
    pnn = line(compared((" & !LKr30", "")), "PNN")
    gained = why(pnn["before"]["gained_because"])
    assert gained[("!LKr30 not met in A",)] > 100
    assert gained.keys() <= {("!LKr30 not met in A",), ("same tick in A",)}
    assert why(pnn["before"]["lost_because"]).keys() <= {("same tick in B",)}
    assert pnn["before"]["ratio"] > 1


def test_a_requirement_that_is_added_loses_what_lacks_it(compared: Compare) -> None:
    mt = line(compared(('"RICH & QX"', '"RICH & QX & M2 & E40"')), "MT")
    lost = why(mt["before"]["lost_because"])
    missing = ("M2 missing in B", "E40 missing in B")
    assert lost.keys() <= {missing, *((word,) for word in missing), ("same tick in B",)}
    assert lost[missing] > 100


def test_a_downscaling_that_changes_moves_no_event_before_it(compared: Compare) -> None:
    report = compared(("downscaling = 200", "downscaling = 100"))
    non_mu = line(report, "Non-mu")
    for cause in [*non_mu["before"]["lost_because"], *non_mu["before"]["gained_because"]]:
        assert cause["kind"] == "same tick"
    assert {c["kind"] for c in non_mu["after"]["gained_because"]} <= {"downscaled", "same tick"}
    assert non_mu["after"]["ratio"] == pytest.approx(2.0, abs=4 * non_mu["after"]["ratio_error"])
    assert non_mu["after"]["common"] + non_mu["after"]["lost"] == non_mu["A"]["after"]["events"]


def test_a_cut_that_narrows_loses_what_one_menu_alone_sees(compared: Compare) -> None:
    report = compared(("time_cut_lsb = 64", "time_cut_lsb = 64\ntime_cuts_lsb = { NewCHOD = 5 }"))
    lost = why(line(report, "MT")["before"]["lost_because"])
    assert max(lost, key=lambda cause: lost[cause]) == ("QX seen in A only",)
    gained = why(line(report, "PNN")["before"]["gained_because"])
    assert gained.keys() <= {("QX seen in A only",), ("same tick in A",)}
    assert report["matched_by"] == {"reference": "slot", "control": "slot", "triggers": "slot"}


def test_a_veto_that_is_seen_in_a_wider_window_loses_its_events(compared: Compare) -> None:
    report = compared(("time_cut_lsb = 64", "time_cut_lsb = 20\ntime_cuts_lsb = { MUV3 = 64 }"))
    assert ("M1 seen in B only",) not in why(line(report, "Non-mu")["before"]["lost_because"])
    report = compared(("time_cut_lsb = 64", "time_cut_lsb = 64\ntime_cuts_lsb = { MUV3 = 120 }"))
    lost = why(line(report, "Non-mu")["before"]["lost_because"])
    assert lost[("M1 seen in B only",)] > 10


def test_a_line_that_is_renamed_is_listed_in_each_menu(compared: Compare) -> None:
    report = compared(('name = "eMT"', 'name = "electrons"'))
    assert "eMT" not in [entry["name"] for entry in report["lines"]]
    (a,), (b,) = report["only_in"]["A"], report["only_in"]["B"]
    assert (a["name"], b["name"]) == ("eMT", "electrons")
    assert a["before"] == b["before"]
    assert report["triggers"]["lost"] == report["triggers"]["gained"] == 0
    assert report["same_settings"]


def test_another_reference_is_matched_by_time(compared: Compare) -> None:
    report = compared(('reference = "RICH"', 'reference = "CHOD"'))
    assert report["closed"]
    assert report["matched_by"] == {"reference": "time", "control": "slot", "triggers": "time"}
    assert report["window_ns"] == pytest.approx(6.24, abs=0.01)
    mt = line(report, "MT")["before"]
    assert mt["common"] > 5 * (mt["lost"] + mt["gained"])
    assert ("no entry at this time in B",) in why(line(report, "MinBias")["before"]["lost_because"])


def test_ignored_entries_are_a_cause(compared: Compare) -> None:
    report = compared(("time_cut_lsb = 64", "time_cut_lsb = 64\nignore_until_tick = 200000"))
    assert ("ignored in B",) in why(line(report, "MinBias")["before"]["lost_because"])


CHANGES = (
    (" & !LKr30", ""),
    ("downscaling = 200", "downscaling = 90"),
    ('reference = "RICH"', 'reference = "CHOD"'),
)


@pytest.mark.parametrize("block_frames", [1, 333, 10**6])
@pytest.mark.needs_jit
def test_the_report_does_not_depend_on_the_size_of_blocks(compared: Compare, block_frames: int) -> None:
    assert compared(*CHANGES, block_frames=block_frames) == compared(*CHANGES)


def test_all_sums_close_and_the_overlap_has_the_counts_of_the_lines(compared: Compare) -> None:
    report = compared(*CHANGES)
    assert report["closed"]
    for entry in report["lines"]:
        for level in LEVEL_NAMES:
            changed = entry[level]
            assert entry["A"][level]["events"] == changed["common"] + changed["lost"]
            assert entry["B"][level]["events"] == changed["common"] + changed["gained"]
            for direction in ("lost", "gained"):
                causes = changed[f"{direction}_because"]
                assert sum(cause["events"] for cause in causes) == changed[direction]
                assert sum(cause["share"] for cause in causes) == pytest.approx(1.0 if causes else 0.0)
                numbers = [cause["events"] for cause in causes]
                assert numbers == sorted(numbers, reverse=True)
    for name in ("A", "B"):
        counts = {entry["name"]: entry[name]["before"]["events"] for entry in report["lines"]}
        overlap = report["overlap"][name]
        diagonal = [row[i] for i, row in enumerate(overlap["before"]["events"])]
        assert dict(zip(overlap["lines"], diagonal, strict=True)) == counts
        assert sum(overlap["after"]["pure"]) <= report["triggers"][name]["events"]


def test_lines_without_their_detectors_are_inactive_as_in_a_replay(compared: Compare, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", random_streams(["RICH", "MUV3", "LKr"], 50, 400), 50)
    report = compared(('"RICH & Q1 & !M1"', '"RICH & !M1 & !CHOD"'), path=path)
    assert report["closed"]
    non_mu = line(report, "Non-mu")
    assert (non_mu["A"]["active"], non_mu["A"]["reason"]) == (False, "requires NewCHOD, which is absent")
    assert non_mu["B"]["unapplied"] == ["veto on CHOD not applied: absent"]
    assert (
        non_mu["A"]["before"]["rate_hz"]
        is non_mu["before"]["ratio"]
        is non_mu["before"]["difference_hz"]
        is None
    )
    assert why(non_mu["before"]["gained_because"]) == {("inactive in A",): non_mu["before"]["gained"]}
    assert non_mu["before"]["gained"] > 0


def test_a_spill_without_primitives_has_no_rates(compared: Compare, tmp_path: Path) -> None:
    path = write(tmp_path / "empty.h5", random_streams(["RICH", "CHOD"], 0, 0), 0)
    report = compared((" & !LKr30", ""), path=path)
    assert (report["closed"], report["beam_s"], report["beam_span_s"]) == (True, 0.0, None)
    json.dumps(report, allow_nan=False)


def test_a_sum_that_does_not_close_shows(spill: Path) -> None:
    asked = make_comparison(spill, (A, A), None)
    found = play(asked)
    found.before[0][3] += 1
    report = build_report(asked, found)
    assert [entry["name"] for entry in report["lines"] if not entry["closed"]] == ["2muMT"]
    assert not report["closed"]


def test_causes_that_do_not_add_up_show(spill: Path) -> None:
    asked = make_comparison(spill, (A, A), None)
    found = play(asked)
    found.differences.causes[1, 1, 0][Cause("downscaled")] += 1
    report = build_report(asked, found)
    assert [entry["name"] for entry in report["lines"] if not entry["closed"]] == ["Non-mu"]
    assert not report["closed"]
