"""Stages that are killed or stopped in the middle of a spill: the report is that of an undisturbed replay."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from replay_cases import LIMIT_S, physics, request, scrape, started, wait_until
from test_replay_command import children

from streams.replay import make_request
from streams.report import Report
from streams.stages.inline import replay_inline
from streams.stages.processes import STAGES
from streams.stages.request import Watcher

pytestmark = pytest.mark.needs_jit

SPEED = "0.02"
"""At which the small spill takes a second."""

STOPPED_S = 3.0


@pytest.fixture(scope="module")
def undisturbed(spill: Path) -> Report:
    return replay_inline(request(spill), Watcher())


def disturbed(spill: Path, disturb: Callable[[list[int]], None], *options: str) -> Report:
    """Disturb the processes of a replay, in the order of STAGES, in the middle of the spill; return its report."""
    arguments = [
        "replay",
        "--spill",
        str(spill),
        "--speed",
        SPEED,
        "--block-frames",
        "64",
        "--json",
        *options,
    ]
    with started(*arguments, "--metrics", "127.0.0.1:0") as process:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("metrics at ").strip()
        wait_until(lambda: re.search(r"^ktrig_spill_position_seconds 0\.00[3-9]", scrape(url), re.MULTILINE))
        disturb(children(process))
        out, _error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    report: Report = json.loads(out)
    assert report["ledger_closed"]
    assert report["lost_in_transport"] == 0
    return report


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize("stage", [*STAGES])
def test_a_stage_that_is_killed_changes_no_answer(
    spill: Path, undisturbed: Report, stage: str, transport: str
) -> None:
    def kill(pids: list[int]) -> None:
        os.kill(pids[[*STAGES].index(stage)], signal.SIGKILL)

    report = disturbed(spill, kill, "--transport", transport)
    assert physics(report) == physics(undisturbed)
    assert report["restarts"] == {stage: 1}
    assert report["redone"] == (stage != "source")


@pytest.mark.parametrize("stage", [*STAGES])
def test_a_stage_that_is_stopped_for_three_seconds_changes_no_answer(
    spill: Path, undisturbed: Report, stage: str
) -> None:
    def stop(pids: list[int]) -> None:
        pid = pids[[*STAGES].index(stage)]
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(STOPPED_S)
        os.kill(pid, signal.SIGCONT)

    report = disturbed(spill, stop)
    assert physics(report) == physics(undisturbed)
    assert (report["restarts"], report["redone"]) == ({}, 0)


def test_stages_killed_at_any_time_in_several_spills_change_no_answer(spill: Path) -> None:
    """Also between a spill's report and its acknowledgement: a spill that comes twice begins where it did."""
    undisturbed = replay_inline(make_request([spill] * 12, "na62-2018", None), Watcher())
    rng = random.Random(1)
    arguments = ["replay", "--spill", str(spill), "--loop", "12", "--speed", "0.05", "--json"]
    with started(*arguments, "--metrics", "127.0.0.1:0") as process:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("metrics at ").strip()
        wait_until(lambda: "ktrig_spill_position_seconds" in scrape(url))
        for _ in range(4):
            threading.Event().wait(rng.uniform(0.1, 0.5))
            os.kill(rng.choice(children(process)[:3]), signal.SIGKILL)
            while "started anew" not in process.stderr.readline():
                continue
        out, _error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    report = json.loads(out)
    assert physics(report) == physics(undisturbed)
    assert sum(report["restarts"].values()) == 4
