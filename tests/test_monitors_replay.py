"""The monitors in a replay: the same for any number of workers, whatever befalls a stage, and whatever is missing."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import zmq
from conftest import Ktrig
from replay_cases import LIMIT_S, physics, request, scrape, started, wait_until
from test_replay_command import children

from streams.monitors.publisher import KIND
from streams.monitors.snapshot_file import read_snapshot
from streams.report import Report
from streams.stages.inline import replay_inline
from streams.stages.local import replay_processes
from streams.stages.processes import stages_of
from streams.stages.request import Request, Watcher
from streams.wire.broadcast import Subscriber
from trigger.searches.catalogue import SEARCHES

pytestmark = pytest.mark.needs_jit

SPILLS = 3


@pytest.fixture(scope="module")
def undisturbed(full_spill: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, bytes]:
    """Three spills in one process: the report, and the snapshot."""
    snapshot = tmp_path_factory.mktemp("undisturbed") / "monitors.json"
    asked = request(full_spill, snapshot=snapshot)
    report = replay_inline(often(asked), Watcher())
    return report, snapshot.read_bytes()


def often(asked: Request, times: int = SPILLS) -> Request:
    return replace(asked, spills=asked.spills * times)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_gives_the_same_snapshot_byte_for_byte(
    full_spill: Path, undisturbed: tuple[Report, bytes], tmp_path: Path, workers: int
) -> None:
    snapshot = tmp_path / "monitors.json"
    asked = often(request(full_spill, snapshot=snapshot, workers=workers))
    report = replay_processes(asked, Watcher())
    assert physics(report) == physics(undisturbed[0])
    assert snapshot.read_bytes() == undisturbed[1]


def test_the_report_names_each_search_and_the_beam(undisturbed: tuple[Report, bytes]) -> None:
    report = undisturbed[0]
    searches = report["monitors"]["searches"]
    assert [search["name"] for search in searches] == [search.name for search in SEARCHES]
    assert all(search["active"] for search in searches)
    assert sum(search["selected_all"] for search in searches) > 0
    assert {spill["monitors"]["spill"]["quality"] for spill in report["spills"]} == {"unknown"}
    for search in searches:
        if not search["channel"]:
            assert set(search["excess_all"]) >= {"mass_gev", "z", "p_global", "limit", "limit_br"}
    json.dumps(report, allow_nan=False)


def test_two_replays_with_one_snapshot_are_one_of_all_their_spills(full_spill: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    # Counters of the downscaling that begin anew: else each replay takes other events of a spill.
    for path, parts in zip(paths, ((3,), (1, 2)), strict=True):
        for n in parts:
            asked = request(full_spill, snapshot=path, downscaling="reset")
            replay_inline(often(asked, n), Watcher())
    one, other = (json.loads(path.read_bytes()) for path in paths)
    for content in (one, other):
        # Each replay counts its spills from 0.
        for row in content["history"]:
            del row["index"]
        del content["crc32"]
    assert one == other


@pytest.mark.parametrize("stage", ["monitor", "worker1", "l1"])
def test_a_stage_that_is_killed_changes_no_byte_of_the_snapshot(
    full_spill: Path, undisturbed: tuple[Report, bytes], tmp_path: Path, stage: str
) -> None:
    snapshot = tmp_path / "monitors.json"
    names = [*stages_of(request(full_spill, workers=2))]
    arguments = ["replay", "--spill", str(full_spill), "--loop", str(SPILLS), "--speed", "0.02", "--json"]
    arguments += ["--workers", "2", "--snapshot", str(snapshot), "--metrics", "127.0.0.1:0"]
    with started(*arguments, "--block-frames", "64") as process:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("metrics at ").strip()
        wait_until(lambda: re.search(r"^ktrig_spills_total 1\.0", scrape(url), re.MULTILINE))
        os.kill(dict(zip(names, children(process), strict=True))[stage], signal.SIGKILL)
        text, _error = process.communicate(timeout=LIMIT_S)
    report = json.loads(text)
    assert report["restarts"] == {stage: 1}
    assert physics(report) == physics(undisturbed[0])
    assert snapshot.read_bytes() == undisturbed[1]


@pytest.mark.parametrize("part", ["beam", "clusters", "rings", "truth", "hits/MUV3"])
def test_what_a_spill_has_not_makes_its_searches_inactive_and_nothing_else(
    full_spill: Path, tmp_path: Path, part: str
) -> None:
    path = tmp_path / "less.h5"
    path.write_bytes(full_spill.read_bytes())
    with h5py.File(path, "a") as file:
        del file[part]
    report = replay_inline(request(path), Watcher())
    whole = replay_inline(request(full_spill), Watcher())
    assert report["ledger_closed"]
    for search, mine, its in zip(
        SEARCHES, report["monitors"]["searches"], whole["monitors"]["searches"], strict=True
    ):
        assert mine["active"] == (part not in search.needs)
        assert bool(mine["reason"]) == (part in search.needs)
        if part == "truth":
            assert mine == its


def test_a_menu_without_a_line_makes_its_searches_inactive(full_spill: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "trigger/menus/na62-2018.toml").read_text()
    menu = tmp_path / "other.toml"
    menu.write_text(text.replace('name = "PNN"', 'name = "Other"'))
    report = replay_inline(request(full_spill, menu=str(menu)), Watcher())
    found = {search["name"]: search["reason"] for search in report["monitors"]["searches"]}
    assert found["k_pi_x"] == "the menu na62-2018 has no line PNN"
    assert found["k_mu_n"] == ""


def test_without_searches_the_beam_is_still_watched(full_spill: Path) -> None:
    report = replay_inline(request(full_spill, no_searches=True), Watcher())
    assert report["monitors"]["searches"] == []
    assert report["monitors"]["spill"]["mean_mhz"] == pytest.approx(100, rel=0.2)
    assert "candidates" not in report["stage_busy_s"]


def test_without_l1_the_beam_is_still_watched(spill: Path) -> None:
    report = replay_inline(request(spill), Watcher())
    assert report["monitors"]["searches"] == []
    assert report["monitors"]["spill"]["mean_mhz"] == pytest.approx(50, rel=0.2)


def test_snapshots_are_sent_to_whoever_listens(
    full_spill: Path, tmp_path: Path, context: zmq.Context[Any]
) -> None:
    endpoint, snapshot = f"ipc://{tmp_path}/publish", tmp_path / "monitors.json"
    with closing(Subscriber(context, endpoint)) as reader:
        arguments = ["replay", "--spill", str(full_spill), "--loop", "2", "--speed", "0.02", "--json"]
        with started(*arguments, "--publish", endpoint, "--snapshot", str(snapshot)) as process:
            found = []
            while process.poll() is None:
                message = reader.latest(50)
                if message is not None:
                    found.append((message.kind, message.arrays["text"].tobytes()))
            process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert found
    assert found[-1] == (KIND, snapshot.read_bytes())


def test_a_snapshot_that_cannot_be_written_is_said_and_does_not_end_the_replay(
    full_spill: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    asked = request(full_spill, snapshot=folder / "monitors.json")
    folder.rmdir()
    report = replay_inline(asked, Watcher())
    assert "cannot be written" in report["monitors"]["problem"]
    assert report["ledger_closed"]


def test_a_snapshot_of_another_menu_is_refused(ktrig: Ktrig, full_spill: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "monitors.json"
    replay_inline(request(full_spill, snapshot=snapshot), Watcher())
    before = snapshot.read_bytes()
    code, _out, error = ktrig(
        "replay", "--spill", full_spill, "--menu", "na62-hlt-default", "--snapshot", snapshot
    )
    assert code == 1
    assert "is of the menu na62-2018" in error
    assert "name another file" in " ".join(error.split())
    assert snapshot.read_bytes() == before
    assert read_snapshot(snapshot).spills == 1


def test_the_text_has_the_searches_in_80_columns(ktrig: Ktrig, full_spill: Path) -> None:
    code, text, _error = ktrig("replay", "--spill", full_spill, "--inline")
    assert code == 0
    assert "k_pi_x" in text
    assert "quality   unknown" in text
    assert max(map(len, text.splitlines())) <= 80
