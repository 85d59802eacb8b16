"""A replay as local processes: starts them, waits until they are ready, and ends them whatever happens."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import msgpack

from streams import memory
from streams.report import Report
from streams.stages.processes import STAGES, run_stage
from streams.stages.request import Request, Watcher
from trigger.errors import KtrigError

LOOK_S: Final = 0.2
"""How often the supervisor looks at the memory and the health of the stages."""

END_S: Final = 1.0
"""Time that the stages get to end by themselves."""

HELD: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
"""Signals that may end the supervisor; the stages never take them, though Ctrl-C reaches the whole group."""


class StageError(KtrigError):
    """A stage that failed."""


def replay_processes(request: Request, watcher: Watcher) -> Report:
    """Run source, L0 and monitor as processes of their own."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="ktrig-")
    except OSError as wrong:
        reason = wrong.strerror or wrong
        raise StageError(f"no temporary folder: {reason}; name one with TMPDIR") from None
    endpoints = {name: f"ipc://{Path(folder.name) / name}" for name in ("l0", "monitor")}
    crew = _Crew(watcher)
    try:
        crew.start(request, endpoints)
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
    """The processes of one replay and what they have told so far."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._report: Report | None = None
        self._ready: set[str] = set()
        self._peak_pss_mib = 0.0
        self._looked = 0.0
        self._connections: dict[str, Connection] = {}
        self._processes: dict[str, BaseProcess] = {}

    def start(self, request: Request, endpoints: dict[str, str]) -> None:
        """Start the stages."""
        spawn = multiprocessing.get_context("spawn")
        for name, step in STAGES.items():
            ours, theirs = spawn.Pipe()
            process = spawn.Process(
                target=run_stage, args=(step, request, endpoints, theirs), name=f"ktrig-{name}", daemon=True
            )
            with _signals_held():
                process.start()
                self._connections[name] = ours
                self._processes[name] = process
            theirs.close()

    def run(self) -> Report:
        """Let the stages play the spill; return the monitor's report. Raises StageError."""
        while self._ready != STAGES.keys():
            self._listen()
        self._order("source", go=True)
        while self._report is None:
            self._listen()
        self._look()
        self._report["peak_pss_mib"] = self._peak_pss_mib
        return self._report

    def _listen(self) -> None:
        """Take what the stages tell, and see whether one has died."""
        living = [process.sentinel for process in self._processes.values() if process.exitcode is None]
        for heard in wait([*self._connections.values(), *living], timeout=LOOK_S):
            if isinstance(heard, Connection):
                self._hear(heard)
        if self._report is None:
            self._check_processes()
        if time.monotonic() - self._looked >= LOOK_S:
            self._look()

    def _order(self, name: str, **what: bool) -> None:
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
        if "ready" in what:
            self._ready.add(name)
        elif "progress" in what:
            self._watcher.progress(what["progress"])
        elif "metrics_url" in what:
            self._watcher.metrics_url(what["metrics_url"])
        elif "report" in what:
            self._report = what["report"]

    def _check_processes(self) -> None:
        """Raise StageError if a stage is gone, with all heard that it had to say, and there is no report."""
        for name, process in self._processes.items():
            if name in self._connections or process.exitcode is None:
                continue
            if process.exitcode or name == "monitor":
                raise StageError(f"stage {name} {_death(process.exitcode)}; the replay is not complete")

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
        deadline = time.monotonic() + END_S
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
