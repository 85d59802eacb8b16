"""A replay as local processes: starts them, waits until they are ready, and ends them whatever happens."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import msgpack

from streams import memory
from streams.replay import Request, Watcher
from streams.report import Report
from streams.stages.processes import STAGES, run_stage
from trigger.errors import KtrigError

LOOK_S: Final = 0.2
"""How often the supervisor looks at the memory and the health of the stages."""

END_S: Final = 2.0
"""Time that a stage gets to end by itself."""


class StageError(KtrigError):
    """A stage that failed."""


def replay_processes(request: Request, watcher: Watcher) -> Report:
    """Run source, L0 and monitor as processes of their own."""
    with tempfile.TemporaryDirectory(prefix="ktrig-") as folder:
        endpoints = {name: f"ipc://{Path(folder) / name}" for name in ("l0", "monitor")}
        crew = _Crew(request, endpoints, watcher)
        try:
            return crew.run()
        finally:
            crew.end()


class _Crew:
    """The processes of one replay and what they have told so far."""

    def __init__(self, request: Request, endpoints: dict[str, str], watcher: Watcher) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._watcher = watcher
        self._report: Report | None = None
        self._ready: set[str] = set()
        self._peak_pss_mib = 0.0
        self._looked = 0.0
        self._connections: dict[str, Connection] = {}
        self._processes: dict[str, BaseProcess] = {}
        for name, step in STAGES.items():
            ours, theirs = spawn.Pipe()
            process = spawn.Process(
                target=run_stage, args=(step, request, endpoints, theirs), name=f"ktrig-{name}", daemon=True
            )
            process.start()
            theirs.close()
            self._connections[name] = ours
            self._processes[name] = process

    def run(self) -> Report:
        """Let the stages play the spill; return the monitor's report. Raises StageError."""
        while self._ready != STAGES.keys():
            self._listen()
        self._connections["source"].send_bytes(msgpack.packb({"go": True}))
        while self._report is None:
            self._listen()
        self._look()
        self._report["peak_pss_mib"] = self._peak_pss_mib
        return self._report

    def _listen(self) -> None:
        """Take what the stages tell, or see that one has died."""
        for connection in wait(list(self._connections.values()), timeout=LOOK_S):
            name = next(n for n, c in self._connections.items() if c is connection)
            try:
                self._hear(name, msgpack.unpackb(self._connections[name].recv_bytes()))
            except (EOFError, OSError):
                self._gone(name)
        if time.monotonic() - self._looked >= LOOK_S:
            self._look()

    def _hear(self, name: str, what: dict[str, Any]) -> None:
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

    def _gone(self, name: str) -> None:
        """A stage closed its line: its work is done, or it died."""
        process = self._processes[name]
        process.join(END_S)
        if process.exitcode != 0:
            raise StageError(f"stage {name} died (exit code {process.exitcode}); the replay is not complete")
        self._connections.pop(name).close()

    def _look(self) -> None:
        self._looked = time.monotonic()
        pids = [multiprocessing.current_process().pid, *(p.pid for p in self._processes.values())]
        self._peak_pss_mib = max(self._peak_pss_mib, memory.pss_mib([pid for pid in pids if pid]))

    def end(self) -> None:
        """Order the stages to stop, and end those that do not."""
        for connection in self._connections.values():
            try:
                connection.send_bytes(msgpack.packb({"stop": True}))
            except OSError:
                continue
        deadline = time.monotonic() + END_S
        for process in self._processes.values():
            process.join(max(deadline - time.monotonic(), 0))
            if process.is_alive():
                process.terminate()
                process.join(END_S)
            if process.is_alive():
                process.kill()
                process.join()
        for connection in self._connections.values():
            connection.close()
