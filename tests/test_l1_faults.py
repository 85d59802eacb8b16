"""L1 workers that die, stall, answer twice or send garbage: report and accepted events are the undisturbed ones."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from replay_cases import LIMIT_S, physics, replay_threads, request, scrape, started, wait_until
from test_replay_command import children

from streams.report import Report
from streams.stages.inline import replay_inline
from streams.stages.l1 import worker_step
from streams.stages.local import replay_processes
from streams.stages.processes import Place, stages_of
from streams.stages.request import Watcher
from streams.stages.worker import L1Worker
from streams.wire.message import Message
from streams.wire.tasks import TaskGiver, TaskTaker
from streams.work import Task

pytestmark = pytest.mark.needs_jit

SPEED = "0.02"
"""At which the small spill takes a second."""

STOPPED_S = 5.0

Undisturbed = tuple[Report, bytes]


@pytest.fixture(scope="module")
def undisturbed(full_spill: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    out = tmp_path_factory.mktemp("undisturbed") / "events.h5"
    report = replay_inline(request(full_spill, out=out), Watcher())
    assert report["l1"]["accepted"] > 100
    return report, out.read_bytes()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_gives_the_same_report_and_the_same_bytes(
    full_spill: Path, undisturbed: Undisturbed, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "events.h5"
    report = replay_processes(request(full_spill, out=out, workers=workers), Watcher())
    assert physics(report) == physics(undisturbed[0])
    assert out.read_bytes() == undisturbed[1]
    assert report["ledger_closed"]


def disturbed(spill: Path, out: Path, disturb: Callable[[dict[str, int]], None]) -> Report:
    """Disturb the processes of a replay in the middle of the spill, by the names of their stages."""
    names = [*stages_of(request(spill, workers=2))]
    arguments = ["replay", "--spill", str(spill), "--speed", SPEED, "--json", "--block-frames", "64"]
    arguments += ["--workers", "2", "--out", str(out), "--metrics", "127.0.0.1:0"]
    with started(*arguments) as process:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("metrics at ").strip()
        wait_until(lambda: re.search(r"^ktrig_spill_position_seconds 0\.00[89]", scrape(url), re.MULTILINE))
        disturb(dict(zip(names, children(process), strict=True)))
        text, _error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    report: Report = json.loads(text)
    assert report["ledger_closed"]
    assert report["lost_in_transport"] == 0
    return report


@pytest.mark.parametrize("stage", ["worker1", "l1", "l0"])
def test_a_stage_of_l1_that_is_killed_changes_no_event(
    full_spill: Path, undisturbed: Undisturbed, tmp_path: Path, stage: str
) -> None:
    out = tmp_path / "events.h5"
    report = disturbed(full_spill, out, lambda pids: os.kill(pids[stage], signal.SIGKILL))
    assert physics(report) == physics(undisturbed[0])
    assert out.read_bytes() == undisturbed[1]
    assert report["restarts"] == {stage: 1}
    assert report["redone"] == (stage != "worker1")


def test_a_worker_that_is_stopped_for_five_seconds_changes_no_event(
    full_spill: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    def stop(pids: dict[str, int]) -> None:
        os.kill(pids["worker1"], signal.SIGSTOP)
        threading.Event().wait(STOPPED_S)
        # The other one may have done all of it meanwhile.
        with suppress(ProcessLookupError):
            os.kill(pids["worker1"], signal.SIGCONT)

    out = tmp_path / "events.h5"
    report = disturbed(full_spill, out, stop)
    assert physics(report) == physics(undisturbed[0])
    assert out.read_bytes() == undisturbed[1]
    assert (report["restarts"], report["redone"]) == ({}, 0)


def misbehaving(answer: Callable[[TaskTaker, Message, Message], None]) -> Callable[[Place], None]:
    """A worker that computes what it should, and answers as it likes."""

    def step(place: Place) -> None:
        endpoint = place.supervisor.wait_for("endpoint work")
        with (
            closing(L1Worker(place.request)) as worker,
            closing(TaskTaker(place.context, endpoint, place.supervisor.finishing, place.name)) as taker,
        ):
            place.supervisor.tell(ready=True)
            while True:
                task = taker.take()
                answer(taker, task, worker.run(Task.of(task)).message())

    return step


def twice(taker: TaskTaker, task: Message, answer: Message) -> None:
    taker.answer(task, answer)
    taker.answer(task, answer)


def wrong_first(taker: TaskTaker, task: Message, answer: Message) -> None:
    """Answer with arrays that are too short; what is asked for again is answered rightly, at times."""
    if (task.seq + wrong_first.__dict__.setdefault("calls", 0)) % 2 == 0:
        answer = replace(answer, arrays={**answer.arrays, "done": answer.arrays["done"][:-1]})
    wrong_first.__dict__["calls"] += 1
    taker.answer(task, answer)


def never(taker: TaskTaker, task: Message, answer: Message) -> None:
    del taker, task, answer


@pytest.mark.parametrize(
    ("answer", "count"), [(twice, "duplicates"), (wrong_first, "malformed"), (never, "redelivered")]
)
def test_a_worker_that_misbehaves_changes_no_event(
    full_spill: Path,
    undisturbed: Undisturbed,
    tmp_path: Path,
    answer: Callable[[TaskTaker, Message, Message], None],
    count: str,
) -> None:
    asked = request(full_spill, out=tmp_path / "events.h5", workers=2)
    stages = stages_of(asked) | {"worker1": misbehaving(answer)}
    report = replay_threads(tmp_path, asked, stages)
    assert (tmp_path / "events.h5").read_bytes() == undisturbed[1]
    assert report["links"]["work"][count] > 0
    assert report["ledger_closed"]


def test_garbage_of_a_stranger_is_counted_and_changes_no_event(
    full_spill: Path, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = threading.Event()
    turn = TaskGiver.turn

    def watched(giver: TaskGiver, timeout_ms: int) -> list[Message]:
        answers = turn(giver, timeout_ms)
        if giver.counts.malformed:
            heard.set()
        return answers

    def stranger(place: Place) -> None:
        endpoint = place.supervisor.wait_for("endpoint work")
        with closing(place.context.socket(zmq.DEALER)) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            place.supervisor.tell(ready=True)
            for k in range(200):
                socket.send_multipart([bytes([k % 256]) * k, b"garbage"])
                if place.supervisor.finishing():
                    return
                threading.Event().wait(0.01)
            place.supervisor.wait_for("stop")

    def patient(place: Place) -> None:
        """A worker without which nothing goes on: the spill is not over before the garbage has come."""
        assert heard.wait(LIMIT_S)
        worker_step(place)

    monkeypatch.setattr(TaskGiver, "turn", watched)
    asked = request(full_spill, out=tmp_path / "events.h5", workers=2)
    report = replay_threads(tmp_path, asked, stages_of(asked) | {"worker1": patient, "worker2": stranger})
    assert (tmp_path / "events.h5").read_bytes() == undisturbed[1]
    assert report["links"]["work"]["malformed"] > 0
    assert report["malformed_messages"] > 0
