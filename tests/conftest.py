"""What all tests share: a temporary folder of their own, a check that nothing is left behind, a small spill."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import settings
from replay_cases import Played, play, request, zmq_context
from simulated import simulate
from zmq.utils.garbage import GarbageCollectorThread

from streams.cli.main import main
from streams.wire import receiver, sender

LIMIT_S = 5.0
"""Time that what a test started gets to go away."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

PROC = Path("/proc")

Ktrig = Callable[..., tuple[int, str, str]]
"""Runs a ktrig command: arguments to exit code, stdout, stderr."""

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"

# The first call of a kernel's inlined parts compiles them; a deadline would find that now and then.
settings.register_profile("ktrig", deadline=None)
settings.load_profile("ktrig")

if NO_JIT:
    # Unsigned numbers wrap around in a kernel, and a division by zero gives infinity or NaN; the scalars of numpy
    # warn of it.
    np.seterr(over="ignore", divide="ignore", invalid="ignore")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs compiled kernels where there are none."""
    if NO_JIT:
        left_out = [item for item in items if item.get_closest_marker("needs_jit")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files of these tests and of all processes that they start; it marks them as ours."""
    folder = tmp_path_factory.mktemp("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(temporary_folder: Path) -> Iterator[None]:
    """Fail a test that leaves a thread, a process, a socket or a folder of ktrig's."""
    before = {*threading.enumerate(), *_sockets()}
    yield
    deadline = time.monotonic() + LIMIT_S
    while left := [*_left_behind(temporary_folder, before)]:
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + ", ".join(left))
        threading.Event().wait(0.01)


def _left_behind(folder: Path, before: set[object]) -> Iterator[str]:
    # pyzmq starts one thread for the life of the process, which lets go of what was sent without a copy.
    ours = [t for t in threading.enumerate() if not isinstance(t, GarbageCollectorThread)]
    yield from (str(thread) for thread in ours if thread not in before)
    yield from (str(path) for path in folder.glob("ktrig-*"))
    yield from (socket for socket in _sockets() if socket not in before)
    yield from _processes(folder)


def _sockets() -> list[str]:
    """Sockets of this process, by their number in the system."""
    links = []
    for descriptor in (PROC / "self" / "fd").glob("*"):
        try:
            links.append(str(descriptor.readlink()))
        except OSError:
            continue
    return [link for link in links if link.startswith("socket:")]


def _processes(folder: Path) -> Iterator[str]:
    """Processes with our temporary folder in their environment; Python's own tracker of resources may stay."""
    mark = f"TMPDIR={folder}".encode()
    for process in PROC.glob("[0-9]*"):
        try:
            ours = mark in (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if ours and process.name != str(os.getpid()) and "resource_tracker" not in command:
            yield f"process {process.name} ({command.strip()})"


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    """Undo what the command line does to signals."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def spill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated spill of 20 ms at 50 MHz, primitives only: four blocks, all lines of the menu fire."""
    path = tmp_path_factory.mktemp("spill") / "spill.h5"
    options = (
        "--intensity",
        "50",
        "--duration",
        "0.02",
        "--run",
        "8764",
        "--burst",
        "500",
        "--no-hits",
        "--no-halo",
    )
    return simulate(path, *options)


@pytest.fixture(scope="session")
def full_spill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated spill of 20 ms at 100 MHz with hits, records, and all decays in the fiducial volume."""
    path = tmp_path_factory.mktemp("spill") / "full.h5"
    return simulate(path, "--intensity", "100", "--duration", "0.02", "--seed", "2", "--truth", "fiducial")


@pytest.fixture(scope="session")
def signal_spill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 ms at 50 MHz, one decay in five a pi nu nu: some hundred of them fire PNN, and decays pile up."""
    path = tmp_path_factory.mktemp("spill") / "signal.h5"
    options = ("--signal", "K-pi-nunu:br=0.2", "--intensity", "50", "--duration", "0.008", "--seed", "3")
    return simulate(path, *options, "--truth", "fiducial")


@pytest.fixture(scope="session")
def _played_once(spill: Path) -> Played:
    return play(request(spill, block_frames=500))


@pytest.fixture
def played(_played_once: Played) -> Played:
    """What L0 answers to the small spill in blocks of 500 frames; tests may change it."""
    return replace(_played_once, outputs=[*_played_once.outputs], end=deepcopy(_played_once.end))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the links of this process look more often whether to stop."""
    for end in (sender, receiver):
        monkeypatch.setattr(end, "POLL_MS", 10)


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    """A context of ZeroMQ."""
    with zmq_context() as made:
        yield made


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    """An address for a link."""
    return f"ipc://{tmp_path}/link"


@pytest.fixture
def ktrig(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ktrig:
    """Run a ktrig command in this process (its stages may be others), for a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ktrig", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        return (0 if code is None else int(code), *capfd.readouterr())

    return run
