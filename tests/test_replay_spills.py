"""Several spills in a row: counters that go on, or do not; totals; what is stopped on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from replay_cases import Played, physics, random_streams, request, spill_of, write
from rich.console import Console

from streams.catalogue import load_menu
from streams.cli.main import ktrig
from streams.cli.report_text import render
from streams.exchange import SpillStart
from streams.replay import ReplayError, make_request
from streams.report import Report
from streams.saved_counters import CountersError
from streams.spill.reader import SpillReader
from streams.stages.counters import by_line, start_counters
from streams.stages.inline import replay_inline
from streams.stages.local import replay_processes
from streams.stages.request import Watcher
from streams.stages.stopped import untouched_report
from trigger.clock import TICK_NS
from trigger.l0.registers import N_ROWS
from trigger.menu import DispatchSettings


def play(spills: list[Path], **options: Any) -> Report:
    return replay_inline(make_request(spills, "na62-2018", None, **options), Watcher())


def counters(report: Report, which: str) -> dict[str, int]:
    return {name: n[which] for name, n in report["downscaling_counters"].items()}


@pytest.fixture(scope="module")
def thrice(spill: Path) -> Report:
    return play([spill] * 3)


@pytest.mark.needs_jit
def test_spills_over_links_give_the_report_of_one_process(spill: Path, thrice: Report) -> None:
    report = replay_processes(make_request([spill] * 3, "na62-2018", None), Watcher())
    assert physics(report) == physics(thrice)


def test_counters_go_on_from_spill_to_spill(thrice: Report) -> None:
    first, second, third = thrice["spills"]
    assert set(counters(first, "start").values()) == {0}
    assert counters(second, "start") == counters(first, "end")
    assert counters(third, "start") == counters(second, "end")
    for i, line in enumerate(thrice["lines"]):
        # Nothing is lost between spills: the firings of all are downscaled as those of one long spill.
        assert line["before"] == sum(s["lines"][i]["before"] for s in thrice["spills"])
        assert line["after"] == line["before"] // line["downscaling"]


def test_totals_add_up(thrice: Report) -> None:
    for name in ("l0_triggers", "spill_s", "beam_s", "lost_in_transport"):
        assert thrice[name] == pytest.approx(sum(s[name] for s in thrice["spills"]))
    assert thrice["ledger_closed"]
    assert (thrice["run"], thrice["file"]) == (None, None)
    assert thrice["ledger"]["l0"]["in"] == 3 * thrice["spills"][0]["ledger"]["l0"]["in"]
    assert thrice["lines"][0]["rate_before_hz"] == thrice["lines"][0]["before"] / thrice["beam_s"]


def test_reset_begins_each_spill_at_zero(spill: Path) -> None:
    report = play([spill] * 2, downscaling="reset")
    assert spill_of(report, 0) | {"index": 1} == spill_of(report, 1)
    assert set(counters(report["spills"][1], "start").values()) == {0}


def test_hash_depends_on_run_burst_and_line_alone(spill: Path) -> None:
    report = play([spill] * 2, downscaling="hash")
    first, second = report["spills"]
    assert counters(first, "start") == counters(second, "start")
    assert any(counters(first, "start").values())
    menu = request(spill).menu
    assert counters(first, "start") == by_line(menu, start_counters("hash", menu, 8764, 500, {"PNN": 0}))
    assert report["ledger_closed"]


def test_hashed_counters_are_uniform() -> None:
    menu, _experiment = load_menu("na62-2018")
    (row,) = (row for row, line in menu.rows if line.name == "Control")
    found = np.array([start_counters("hash", menu, 1, burst, {})[row] for burst in range(4000)])
    assert (found.min() >= 0) & (found.max() < 400)
    # A uniform number from 0 to 399 has the mean 199.5 and the deviation 115.5; 5 of its errors are 9.1.
    assert abs(found.mean() - 199.5) < 5 * 115.5 / np.sqrt(len(found))


def test_a_replay_goes_on_from_the_counters_of_a_report(spill: Path, thrice: Report, tmp_path: Path) -> None:
    saved = tmp_path / "report.json"
    saved.write_text(json.dumps(play([spill])), encoding="utf-8")
    report = play([spill] * 2, counters=saved)
    for i in range(2):
        assert spill_of(report, i) | {"index": i + 1} == spill_of(thrice, i + 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is not JSON"),
        ("[1]", "has no downscaling_counters"),
        (
            '{"downscaling_counters": {}, "menu": "x", "menu_hash": "0"}',
            "is of the menu x with another content",
        ),
    ],
)
def test_counters_that_are_none_are_named(spill: Path, tmp_path: Path, text: str, what: str) -> None:
    saved = tmp_path / "report.json"
    saved.write_text(text, encoding="utf-8")
    with pytest.raises(CountersError, match=f"--counters .*report.json: {what}"):
        play([spill], counters=saved)


@pytest.mark.parametrize("value", [-1, 400, True, "3", None])
def test_a_counter_out_of_its_range_is_named(spill: Path, tmp_path: Path, value: object) -> None:
    saved = tmp_path / "report.json"
    report = play([spill])
    report["downscaling_counters"]["Control"]["end"] = value
    saved.write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(CountersError, match=r"downscaling_counters.Control.end must be .* from 0 to 399"):
        play([spill], counters=saved)


def test_a_stop_ends_a_replay_with_what_was_played(spill: Path) -> None:
    asked: list[float] = []
    report = replay_inline(
        make_request([spill] * 3, "na62-2018", None, block_frames=100),
        Watcher(progress=asked.append, stop=lambda: len(asked) >= 50),
    )
    assert report["interrupted"]
    assert report["ledger_closed"]
    assert len(report["spills"]) == 2
    assert [s["interrupted"] for s in report["spills"]] == [False, True]
    source = report["spills"][1]["ledger"]["source"]
    assert 0 < source["lost"]["not_played"] < source["in"]


def test_a_replay_stopped_before_its_first_block_accounts_for_the_whole_spill(spill: Path) -> None:
    report = untouched_report(request(spill))
    assert report["interrupted"]
    assert report["ledger_closed"]
    source = report["ledger"]["source"]
    assert source["lost"]["not_played"] == source["in"] > 0


def test_losses_open_no_ledger_and_do_not_depend_on_the_engine(spill: Path) -> None:
    report = replay_inline(request(spill, explain=True, line="MinBias"), Watcher())
    assert report["ledger_closed"]
    for line in report["lines"]:
        lost, gained = sum(line["lost"].values()), sum(line["gained"].values())
        fired = line["before"] + line["lost_same_tick"]
        assert line["ideal"] - line["same_slot"] - lost + gained == fired > 0
    assert {case["kind"] for case in report["cases"]} >= {"same_slot"}
    again = replay_inline(request(spill, explain=True, line="MinBias", block_frames=100), Watcher())
    assert physics(again) == physics(report)


@pytest.mark.needs_jit
def test_losses_travel(spill: Path) -> None:
    wanted = request(spill, explain=True, line="MinBias")
    assert physics(replay_processes(wanted, Watcher())) == physics(replay_inline(wanted, Watcher()))


def test_dead_time_and_choke_are_taken_behind_downscaling_and_the_ledger_closes(
    spill: Path, played: Played
) -> None:
    plain = request(spill)
    settings = DispatchSettings(dead_time_ticks=400, latency_ticks=100, choke=((0.005, 0.007),))
    wanted = replace(plain, menu=plain.menu.model_copy(update={"dispatch": settings}))
    free, busy = (replay_inline(r, Watcher()) for r in (plain, wanted))
    assert busy["ledger_closed"]
    for before, after in zip(free["lines"], busy["lines"], strict=True):
        assert (before["before"], before["after"]) == (after["before"], after["after"])
        assert after["dispatched"] == after["after"] - after["lost_choke"] - after["lost_dead_time"]
    lost = busy["ledger"]["l0"]["lost"]
    assert lost["choke"] > 0 < lost["dead_time"]
    assert busy["l0_triggers"] == free["l0_triggers"] - lost["choke"] - lost["dead_time"]
    dispatched_s = (
        np.concatenate([(output.triggers.time_lsb >> 8) + 100 for output in played.outputs]) * TICK_NS * 1e-9
    )
    choked = (dispatched_s >= 0.005) & (dispatched_s < 0.007 + 3 * TICK_NS * 1e-9)
    assert lost["choke"] == np.count_nonzero(choked)


def test_require_all_refuses_a_spill_that_lacks_a_detector(tmp_path: Path) -> None:
    path = write(tmp_path / "spill.h5", random_streams(["RICH", "CHOD"], 10, 5), 10)
    assert play([path])["ledger_closed"]
    with pytest.raises(
        ReplayError, match=r"line PNN: .*absent; give a spill with all detectors, or leave out"
    ):
        play([path], require_all=True)


def test_a_line_that_the_menu_does_not_have_is_named(spill: Path) -> None:
    with pytest.raises(ReplayError, match=r"--line pnn: is not in the menu na62-2018; it has PNN, "):
        play([spill], explain=True, line="pnn")


def test_the_start_of_a_spill_says_where_its_counters_begin(spill: Path) -> None:
    assert SpillStart("na62", 1, 2, 0, 0, {}).counters == {}
    assert start_counters("reset", request(spill).menu, 1, 2, {"PNN": 3}).tolist() == [0] * N_ROWS


@pytest.fixture(scope="module")
def unequal(spill: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spill without the calorimeter."""
    path = tmp_path_factory.mktemp("unequal") / "unequal.h5"
    with SpillReader(spill) as reader:
        block = reader.read_block(0, reader.header.n_frames)
        streams = {name: stream for name, stream in block.streams.items() if name != "LKr"}
        return write(path, streams, reader.header.n_frames)


@pytest.mark.parametrize("first", [True, False])
def test_the_rate_of_a_line_is_per_time_in_which_it_could_fire(
    spill: Path, unequal: Path, first: bool
) -> None:
    report = play([spill, unequal] if first else [unequal, spill])
    alone = {line["name"]: line for line in play([spill])["lines"]}
    lines = {line["name"]: line for line in report["lines"]}
    for name in ("eMT", "mueMT"):
        assert lines[name]["active"]
        assert lines[name]["rate_before_hz"] == alone[name]["rate_before_hz"]
        assert lines[name]["unapplied"] == ["inactive, requires LKr, which is absent in 1 of 2 spills"]
    assert lines["PNN"]["unapplied"] == ["veto on LKr not applied: absent in 1 of 2 spills"]
    assert lines["PNN"]["beam_s"] == pytest.approx(2 * alone["PNN"]["beam_s"])
    assert lines["MT"]["unapplied"] == []


def test_a_spill_that_is_played_again_makes_no_error_smaller(
    spill: Path, unequal: Path, thrice: Report
) -> None:
    once = play([spill])
    for one, three in zip(once["lines"], thrice["lines"], strict=True):
        assert three["rate_before_error_hz"] == pytest.approx(one["rate_before_error_hz"], rel=1e-3)
    different = play([spill, unequal])
    mt, mt_twice = once["lines"][2], different["lines"][2]
    assert mt_twice["rate_before_error_hz"] == pytest.approx(
        mt["rate_before_error_hz"] / np.sqrt(2), rel=5e-3
    )


def test_the_error_of_the_total_is_that_of_its_lines(thrice: Report) -> None:
    errors = [line["rate_after_error_hz"] for line in thrice["lines"]]
    assert thrice["l0_rate_error_hz"] == pytest.approx(np.sqrt(np.sum(np.square(errors))))


def test_first_cases_say_of_which_spill_they_are(spill: Path, unequal: Path) -> None:
    report = play([unequal, spill], explain=True, line="eMT")
    assert report["cases"]
    assert {case["spill"] for case in report["cases"]} == {1}


def test_tables_of_losses_and_of_dispatch_fit_80_columns_uncut(spill: Path) -> None:
    plain = request(spill, explain=True, line="MinBias")
    settings = DispatchSettings(dead_time_ticks=400, latency_ticks=100, choke=((0.005, 0.007),))
    report = replay_inline(
        replace(plain, menu=plain.menu.model_copy(update={"dispatch": settings})), Watcher()
    )
    for line in report["lines"]:
        # As many digits as a spill of 4.8 s at 750 MHz has.
        for name in (
            "ideal",
            "same_slot",
            "before",
            "after",
            "lost_same_tick",
            "lost_choke",
            "lost_dead_time",
        ):
            line[name] += 50_000_000
        report["ledger"][line["name"]]["downscaled"] += 50_000_000
    text = StringIO()
    render(report, Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "\u2026" not in text.getvalue()
    assert any(line.startswith("line") and "lost to dead time" in line for line in lines)
    assert any("dispatched (" in line for line in lines)


@pytest.mark.parametrize("how", ["reset", "hash"])
def test_counters_to_go_on_from_do_not_go_with_counters_that_begin_anew(spill: Path, how: str) -> None:
    arguments = ["replay", "--spill", str(spill), "--counters", "x.json", "--downscaling", how]
    result = CliRunner().invoke(ktrig, arguments)
    assert result.exit_code == 2
    assert "--counters says where to go on" in result.output
