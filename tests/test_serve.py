"""`ktrig replay --to`: what readers outside get, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from proxy import Proxy
from replay_cases import LIMIT_S, request, started, wait_until

from streams.spill.reader import SpillReader
from streams.stages.request import Watcher
from streams.stages.serve import serve
from streams.wire.endpoint import LinkError

READER = Path(__file__).parents[1] / "docs" / "reader.py"

END_S = 2.0
"""Time in which a signal must have ended a replay."""

pytestmark = pytest.mark.needs_jit


@contextmanager
def served(spill: Path, endpoint: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `ktrig` that serves the spill, and where."""
    with started("replay", "--spill", str(spill), "--to", endpoint, "--json", *options) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("serving at "), line
        yield process, line.removeprefix("serving at ").strip()


@contextmanager
def reader(endpoint: str, name: str = "r") -> Iterator[subprocess.Popen[str]]:
    """The reader of the documentation."""
    with subprocess.Popen(
        [sys.executable, READER, endpoint, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def expected(spill: Path) -> str:
    """What the reader prints of a spill."""
    with SpillReader(spill) as file:
        counts = file.primitives_per_detector
    return " ".join([spill.name, *(f"{name}={n}" for name, n in counts.items())]) + "\n"


def report_of(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == code, error
    report: dict[str, Any] = json.loads(out)
    return report


@pytest.mark.parametrize(("transport", "names"), [("tcp", ["a"]), ("ipc", ["a", "b"])])
def test_the_readers_of_the_documentation_get_every_primitive(
    spill: Path, tmp_path: Path, transport: str, names: list[str]
) -> None:
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/serve"
    options = ("--loop", "2", "--wait-readers", str(len(names)))
    with ExitStack() as stack:
        process, where = stack.enter_context(served(spill, endpoint, *options))
        readers = [stack.enter_context(reader(where, name)) for name in names]
        report = report_of(process)
        for mine in readers:
            assert mine.communicate(timeout=LIMIT_S) == (2 * expected(spill), "")
    assert (report["ledger_closed"], report["interrupted"], sorted(report["readers"])) == (True, False, names)
    assert sum(report["links"]["readers"][name] for name in ("malformed", "redelivered", "restarts")) == 0


@pytest.mark.parametrize("reading", [True, False])
def test_ctrl_c_ends_it_soon_with_a_report(spill: Path, reading: bool) -> None:
    slowly = ("--speed", "0.001", "--block-frames", "1")
    with served(spill, "tcp://127.0.0.1:*", *slowly) as (process, where), ExitStack() as stack:
        if reading:
            proxy = stack.enter_context(closing(Proxy.tcp(int(where.rpartition(":")[2]))))
            mine = stack.enter_context(reader(proxy.endpoint))
            wait_until(lambda: proxy.passed > 10_000)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        report = report_of(process, 130)
        assert time.monotonic() - began < END_S
        if reading:
            assert mine.communicate(timeout=LIMIT_S)[0].startswith(spill.name)
    assert report["interrupted"]
    assert report["ledger_closed"]
    lost = report["ledger"]["source"]["lost"]
    assert lost["not_delivered"] == 0 < lost["not_played"]


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("tcp://0.0.0.0:5600", "is not an address of this host's loopback interface"),
        ("ipc://{spill}", "File exists; choose another"),
    ],
)
def test_a_bad_endpoint_is_one_line(spill: Path, endpoint: str, message: str) -> None:
    before = spill.read_bytes()
    with pytest.raises(LinkError, match=message) as caught:
        serve(request(spill), Watcher(), endpoint.format(spill=spill), 1)
    assert "\n" not in str(caught.value)
    assert spill.read_bytes() == before
