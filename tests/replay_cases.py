"""Replays for tests: stages as threads, `ktrig` as a process, and what of a report does not depend on the clock."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgpack
import numpy as np
import zmq

from streams import exchange
from streams.exchange import L0Output, SpillEnd, SpillStart
from streams.replay import make_request
from streams.report import Report
from streams.spill.writer import SpillWriter
from streams.stages.l0 import L0Stage
from streams.stages.l1_inline import InlineL1
from streams.stages.monitor import MonitorStage
from streams.stages.processes import STAGES, Step, readers_of, run_stage
from streams.stages.request import Request
from streams.stages.source import FileSource
from streams.wire.receiver import Receiver
from trigger.frames import Block, FrameStream

KTRIG = Path(sys.executable).with_name("ktrig")

LIMIT_S = 30.0
"""Longest that a test waits for anything."""

OF_THE_CLOCK = (
    "elapsed_s",
    "played_s",
    "asked_speed",
    "achieved_speed",
    "late",
    "late_s",
    "stage_busy_s",
    "peak_pss_mib",
    "blocks",
    "links",
    "restarts",
    "redelivered_blocks",
    "redone",
)
"""What of a report depends on the clock, the machine, mishaps on the way and the size of blocks."""


CUMULATED = ("selected_all", "excess_all", "kaon_decays", "alarm")
"""What a search has of all spills."""


def wait_until(condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Return what the condition gives, once that is true."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.005)
    return value


def request(spill: Path, **changes: Any) -> Request:
    """Return a request to replay a spill with the menu of 2018, as fast as it goes."""
    options: dict[str, Any] = {"menu": "na62-2018", "profile": None}
    return make_request([spill], **(options | changes))


def physics(report: Report) -> Report:
    """Return what of a report depends on the spills and the menu alone."""
    kept = {key: value for key, value in report.items() if key not in OF_THE_CLOCK}
    if "spills" in kept:
        kept["spills"] = [physics(spill) for spill in kept["spills"]]
    return kept


def spill_of(report: Report, index: int = 0) -> Report:
    """Return the same of one spill of the replay."""
    return alone(report["spills"][index])


def alone(report: Report) -> Report:
    """Return the physics of a spill's report, without what the monitors had from spills before it."""
    spill = physics(report)
    searches = [
        {name: value for name, value in search.items() if name not in CUMULATED}
        for search in spill["monitors"]["searches"]
    ]
    return spill | {"monitors": spill["monitors"] | {"spills": None, "searches": searches}}


def write(path: Path, streams: Mapping[str, FrameStream], n_frames: int, experiment: str = "na62") -> Path:
    """Write a spill file of these streams."""
    with SpillWriter(
        path,
        experiment=experiment,
        run=1,
        burst=2,
        sob_unix_ns=0,
        simulated=True,
        provenance={},
        detectors=list(streams),
    ) as writer:
        if n_frames:
            writer.write(Block(0, n_frames, streams))
    return path


def random_streams(
    detectors: Sequence[str], n_frames: int, n_words: int, first_frame: int = 0
) -> dict[str, FrameStream]:
    """Return a stream of `n_words` words for each detector."""
    rng = np.random.default_rng(1)
    return {
        name: FrameStream.pack(
            (first_frame << 16) + rng.integers(0, n_frames << 16, n_words),
            rng.integers(1, 1 << 15, n_words).astype(np.uint16),
            first_frame,
            n_frames,
        )
        for name in detectors
    }


class StageFailed(Exception):  # noqa: N818 - it is what happened, not what went wrong here
    """What a stage told of its end."""


@contextmanager
def zmq_context() -> Iterator[zmq.Context[Any]]:
    """A context that is terminated at the end, when its sockets must be closed."""
    context = zmq.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


class Threads:
    """The stages of a replay as threads of this process, with the same links as between processes.

    told: what the stages told, in the order of arrival, as (stage, message).
    """

    def __init__(self, folder: Path, request: Request, stages: Mapping[str, Step] = STAGES) -> None:
        self.endpoints = {name: f"ipc://{folder}/{name}" for name in readers_of(request)}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._pipes = {}
        self._threads = []
        for name, step in stages.items():
            ours, theirs = Pipe()
            self._pipes[name] = ours
            self._threads.append(
                threading.Thread(
                    target=run_stage,
                    args=(step, request, theirs),
                    kwargs={"endpoints": self.endpoints, "name": name},
                    name=name,
                )
            )
        for link, readers in readers_of(request).items():
            for reader in readers:
                if reader in stages:
                    self.order(reader, **{f"endpoint {link}": self.endpoints[link]})
        for thread in self._threads:
            thread.start()

    def listen(self, key: str, name: str) -> Any:
        """Wait until the stage `name` tells `key`; an error of a stage is raised."""
        while True:
            for told_by, what in self.told:
                if told_by == name and key in what:
                    return what[key]
            for stage, pipe in self._pipes.items():
                if pipe.poll(0.01):
                    try:
                        self.told.append((stage, msgpack.unpackb(pipe.recv_bytes())))
                    except EOFError:
                        continue
            errors = [what["error"] for _stage, what in self.told if "error" in what]
            if errors:
                raise StageFailed(errors[0])

    def order(self, name: str, **what: Any) -> None:
        """Order something of a stage."""
        self._pipes[name].send_bytes(msgpack.packb(what))

    def close(self) -> None:
        """Stop the stages."""
        for name in self._pipes:
            try:
                self.order(name, stop=True)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(LIMIT_S)
        for pipe in self._pipes.values():
            pipe.close()


@contextmanager
def stages_as_threads(
    folder: Path, request: Request, stages: Mapping[str, Step] = STAGES
) -> Iterator[Threads]:
    """Run stages as threads, stopped at the end."""
    threads = Threads(folder, request, stages)
    try:
        yield threads
    finally:
        threads.close()


def replay_threads(folder: Path, request: Request, stages: Mapping[str, Step] = STAGES) -> Report:
    """Replay with the stages as threads; the report of the first spill."""
    with stages_as_threads(folder, request, stages) as threads:
        for name in stages:
            threads.listen("ready", name)
        threads.order("source", go=True)
        report: Report = threads.listen("report", "monitor")
        return report


@contextmanager
def watched(request: Request) -> Iterator[tuple[MonitorStage, Report]]:
    """Play a spill in this process; the monitor as it is behind it, and the report."""
    with (
        closing(FileSource(request)) as source,
        closing(MonitorStage(request)) as monitor,
        closing(InlineL1(request)) as l1,
    ):
        l0 = L0Stage(source.start, request, {})
        l1.begin(l0.start)
        monitor.begin(l0.start)
        for block in source.blocks():
            monitor.update(l1.process(l0.process(block, source.totals, source.late)))
        end = source.end()
        monitor.update(l1.process(l0.finish(end)))
        yield monitor, monitor.finish(l1.end(l0.end(end)))


def record(folder: Path, request: Request) -> tuple[list[L0Output], SpillEnd]:
    """Return what comes out of L0, as its monitor would get it."""
    outputs = []
    deadline = time.monotonic() + LIMIT_S
    stages = {name: step for name, step in STAGES.items() if name != "monitor"}
    with zmq_context() as context, stages_as_threads(folder, request, stages) as threads:
        endpoint = threads.endpoints["monitor"]
        with closing(Receiver(context, endpoint, lambda: time.monotonic() > deadline, "monitor")) as receiver:
            threads.listen("ready", "source")
            threads.order("source", go=True)
            receiver.acknowledge(receiver.receive())
            while (message := receiver.receive()).kind != exchange.END:
                outputs.append(exchange.read_output(message))
                receiver.acknowledge(message)
            receiver.acknowledge(message)
            end = exchange.read_end(message)
    return outputs, end


def scrape(url: str) -> str:
    """The page of metrics at `url`."""
    with urlopen(url, timeout=LIMIT_S) as page:
        text: str = page.read().decode()
    return text


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start `ktrig` as the leader of a group of processes, as a terminal does; nothing of it outlives the block."""
    with subprocess.Popen(
        [KTRIG, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass
class Played:
    """What L0 answered to the blocks of a spill, and the end of the spill."""

    request: Request
    start: SpillStart
    outputs: list[L0Output]
    end: SpillEnd

    def monitor(self) -> MonitorStage:
        """A monitor at the start of the spill."""
        monitor = MonitorStage(self.request)
        monitor.begin(self.start)
        return monitor

    def report(self) -> Report:
        """What a monitor makes of the spill."""
        monitor = self.monitor()
        for output in self.outputs:
            monitor.update(output)
        return monitor.finish(self.end, clock=lambda: self.end.anchor_s + 1.0)


def play(request: Request) -> Played:
    """Put a spill through L0."""
    with closing(FileSource(request)) as source:
        l0 = L0Stage(source.start, request, {})
        outputs = [l0.process(block, source.totals, source.late) for block in source.blocks()]
        end = source.end()
    outputs.append(l0.finish(end))
    return Played(request, l0.start, outputs, l0.end(end))
