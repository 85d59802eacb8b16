"""A replay as local processes: starts them, waits until they are ready, and ends them whatever happens."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import msgpack

from streams import memory
from streams.report import Report, total_report
from streams.stages.processes import links_of, readers_of, run_stage, stages_of
from streams.stages.request import Request, Watcher
from streams.stages.stopped import untouched_report
from trigger.errors import KtrigError

LOOK_S: Final = 0.1
"""How often the supervisor looks at the health of the stages, and whether it should stop."""

MEMORY_S: Final = 1.0
"""How often it looks at their memory: the kernel walks all of their pages, which takes some 20 ms."""

END_S: Final = 1.0
"""Time that the stages get to end by themselves."""

FINISH_S: Final = 1.0
"""Time that the stages get to settle what was sent when the replay is to stop."""

GIVE_UP_S: Final = 0.3
"""Time that the monitor then gets to report what has arrived."""

MAX_RESTARTS: Final = 10
"""How often a stage that was killed is started anew."""

HELD: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
"""Signals that may end the supervisor; the stages never take them, though Ctrl-C reaches the whole group."""


class StageError(KtrigError):
    """A stage that failed."""


def replay_processes(request: Request, watcher: Watcher) -> Report:
    """Run source, L0, L1 with its workers if it is asked for, and monitor as processes of their own."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="ktrig-")
    except OSError as wrong:
        reason = wrong.strerror or wrong
        raise StageError(f"no temporary folder: {reason}; name one with TMPDIR") from None
    if request.transport == "tcp":
        endpoints = dict.fromkeys(readers_of(request), "tcp://127.0.0.1:*")
    else:
        endpoints = {name: f"ipc://{Path(folder.name) / name}" for name in readers_of(request)}
    if request.snapshot is None and len(request.spills) > 1:
        # A monitor that is started anew goes on from it.
        request = replace(request, snapshot=Path(folder.name) / "monitors.json")
    crew = _Crew(request, watcher, endpoints)
    try:
        return crew.run()
    finally:
        with _signals_held():
            crew.end()
            folder.cleanup()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back until the end; a process that is started meanwhile never gets them.

    The mask is what a new process inherits. It does not hold back a signal that another thread takes (numpy has
    some), so the handlers only note what comes.
    """
    # The first start of a process starts the tracker, which would let the signals through again.
    resource_tracker.ensure_running()
    came: list[int] = []
    handlers: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.signal(number, lambda n, _frame: came.append(n)) for number in HELD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for again in came:
            signal.raise_signal(again)


class _Crew:
    """The processes of one replay and what they have told so far.

    reports: of the spills that are over, by their number; one that is told twice, because a stage died behind it,
    counts once. listening: links, by the name of their receiver, whose sender has told where it listens.
    """

    def __init__(self, request: Request, watcher: Watcher, endpoints: dict[str, str]) -> None:
        self._request = request
        self._watcher = watcher
        self._endpoints = endpoints
        self._stages = stages_of(request)
        self._readers = readers_of(request)
        self._reports: dict[int, Report] = {}
        self._ready: set[str] = set()
        self._listening: set[str] = set()
        self._restarts: dict[str, int] = {}
        self._peak_pss_mib = 0.0
        self._looked = 0.0
        self._stop_s: float | None = None
        self._going = self._giving_up = False
        self._connections: dict[str, Connection] = {}
        self._processes: dict[str, BaseProcess] = {}

    def run(self) -> Report:
        """Let the stages play the spills; return the report. Raises StageError."""
        for name in self._stages:
            self._start(name)
        while not self._over():
            self._listen()
            if not self._going and self._ready == self._stages.keys() and self._stop_s is None:
                self._going = True
                self._order("source", go=True)
        self._look()
        reports = [self._reports[index] for index in sorted(self._reports)]
        report = total_report(reports or [untouched_report(self._request)])
        return report | {"peak_pss_mib": self._peak_pss_mib, "restarts": self._restarts}

    def _start(self, name: str) -> None:
        """Start a stage, or start it anew: at the spill after the last one reported."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        known = {0: self._request.counters}
        for index, report in self._reports.items():
            known[index + 1] = {line: n["end"] for line, n in report["downscaling_counters"].items()}
        place = {"endpoints": self._endpoints, "first": len(self._reports), "counters": known, "name": name}
        process = spawn.Process(
            target=run_stage,
            args=(self._stages[name], self._request, theirs),
            kwargs=place,
            name=f"ktrig-{name}",
            daemon=True,
        )
        with _signals_held():
            process.start()
            self._connections[name] = ours
            self._processes[name] = process
        theirs.close()
        for link in self._listening:
            if name in self._readers[link]:
                self._order(name, **{f"endpoint {link}": self._endpoints[link]})
        if self._going:
            self._order(name, go=True)

    def _over(self) -> bool:
        """Whether all is played, or the replay was to stop and has."""
        last = self._reports.get(max(self._reports, default=-1))
        if last is not None and (last["interrupted"] or last["index"] == len(self._request.spills) - 1):
            return True
        if self._stop_s is None:
            return False
        waited_s = time.monotonic() - self._stop_s
        if not self._going or waited_s > FINISH_S + GIVE_UP_S:
            return True
        if waited_s > FINISH_S and not self._giving_up:
            self._giving_up = True
            self._order("monitor", finish=True)
        return False

    def _listen(self) -> None:
        """Take what the stages tell, and see whether one has died or the caller wants an end."""
        living = [process.sentinel for process in self._processes.values() if process.exitcode is None]
        for heard in wait([*self._connections.values(), *living], timeout=LOOK_S):
            # All of it: what a stage told before it died decides how it is started anew.
            while isinstance(heard, Connection) and not heard.closed and heard.poll():
                self._hear(heard)
        self._check_processes()
        if self._stop_s is None and self._watcher.stop():
            self._stop_s = time.monotonic()
            self._order("source", finish=True)
        if time.monotonic() - self._looked >= MEMORY_S:
            self._look()

    def _order(self, name: str, **what: Any) -> None:
        """Order something of a stage; that it is gone shows when it is listened to."""
        if name in self._connections:
            with suppress(OSError):
                self._connections[name].send_bytes(msgpack.packb(what))

    def _hear(self, connection: Connection) -> None:
        name = next(n for n, c in self._connections.items() if c is connection)
        try:
            what: dict[str, Any] = msgpack.unpackb(connection.recv_bytes())
        except (EOFError, OSError):
            self._connections.pop(name).close()
            return
        if "error" in what:
            raise StageError(what["error"])
        if "stopped" in what and self._stop_s is None:
            raise StageError(f"stage {name} stopped without an order; report this as a fault of ktrig")
        if "ready" in what:
            self._ready.add(name)
        elif "endpoint" in what:
            self._endpoints |= what["endpoint"]
            self._listening |= what["endpoint"].keys()
            for link, endpoint in what["endpoint"].items():
                for reader in self._readers[link]:
                    self._order(reader, **{f"endpoint {link}": endpoint})
        elif "progress" in what:
            self._watcher.progress(what["progress"] / len(self._request.spills))
        elif "metrics_url" in what:
            self._watcher.metrics_url(what["metrics_url"])
        elif "report" in what:
            self._reports.setdefault(what["report"]["index"], what["report"])

    def _check_processes(self) -> None:
        """Start a stage anew that was killed. Raises StageError if one ended by itself before its time."""
        for name, process in list(self._processes.items()):
            if name in self._connections or not process.exitcode or self._over():
                continue
            if self._stop_s is not None and process.exitcode < 0:
                continue  # The replay ends without it.
            self._restarts[name] = self._restarts.get(name, 0) + 1
            if process.exitcode > 0 or not self._going or self._restarts[name] > MAX_RESTARTS:
                raise StageError(f"stage {name} {_death(process.exitcode)}; the replay is not complete")
            redone = (
                "its work is given to others" if name.startswith("worker") else "its spill is played again"
            )
            self._watcher.note(f"stage {name} {_death(process.exitcode)}; started anew, {redone}")
            self._ready.discard(name)
            self._listening -= set(links_of(name, self._request))
            self._start(name)

    def _look(self) -> None:
        self._looked = time.monotonic()
        pids = [multiprocessing.current_process().pid, *(p.pid for p in self._processes.values())]
        self._peak_pss_mib = max(self._peak_pss_mib, memory.pss_mib([pid for pid in pids if pid]))

    def end(self) -> None:
        """Order the stages to stop, and end those that do not; one that is still starting cannot hear."""
        for name, process in self._processes.items():
            if name in self._ready:
                self._order(name, stop=True)
            else:
                process.kill()
        deadline = time.monotonic() + (END_S if self._stop_s is None else GIVE_UP_S)
        for process in self._processes.values():
            process.join(max(deadline - time.monotonic(), 0))
            if process.is_alive():
                process.kill()
                process.join()
        for connection in self._connections.values():
            connection.close()


def _death(exitcode: int) -> str:
    """Say how a process ended."""
    if exitcode >= 0:
        return f"ended with exit code {exitcode}"
    try:
        return f"was killed by {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"was killed by signal {-exitcode}"
