"""`ktrig replay --to`: what readers outside get, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from proxy import Proxy
from replay_cases import LIMIT_S, started, wait_until

from streams.cli.main import ktrig
from streams.spill.reader import SpillReader

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


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_the_reader_of_the_documentation_gets_every_primitive(
    spill: Path, tmp_path: Path, transport: str
) -> None:
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/serve"
    with served(spill, endpoint, "--loop", "2") as (process, where), reader(where) as mine:
        report = report_of(process)
        assert mine.communicate(timeout=LIMIT_S) == (2 * expected(spill), "")
    assert (report["ledger_closed"], report["interrupted"], report["readers"]) == (True, False, ["r"])
    assert sum(report["links"]["readers"][name] for name in ("malformed", "redelivered", "restarts")) == 0


def test_two_readers_get_the_same(spill: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        process, where = stack.enter_context(served(spill, f"ipc://{tmp_path}/serve", "--wait-readers", "2"))
        readers = [stack.enter_context(reader(where, name)) for name in ("a", "b")]
        report = report_of(process)
        assert [mine.communicate(timeout=LIMIT_S) for mine in readers] == [(expected(spill), "")] * 2
    assert sorted(report["readers"]) == ["a", "b"]
    assert report["ledger_closed"]


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


def test_a_file_at_the_path_of_an_endpoint_is_left_alone(spill: Path, tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("mine")
    with started("replay", "--spill", str(spill), "--to", f"ipc://{taken}") as process:
        out, error = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (1, "")
    assert error == f"ktrig: cannot listen at ipc://{taken}: File exists; choose another\n"
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("tcp://nohost.invalid:5555", "nohost.invalid is not an address of this host's loopback interface"),
        ("tcp://0.0.0.0:5555", "0.0.0.0 is not an address of this host's loopback interface"),
        ("tcp://*:5555", "is not an address of this host's loopback interface"),
        ("127.0.0.1:5555", "is no endpoint; give tcp://127.0.0.1:PORT or ipc://PATH"),
        ("tcp://127.0.0.1", "is no endpoint"),
        ("", "is no endpoint"),
        ("ipc:///no/such/folder/x", "cannot listen at ipc:///no/such/folder/x: No such file or directory"),
    ],
)
def test_an_endpoint_that_cannot_be_is_one_line(spill: Path, endpoint: str, message: str) -> None:
    result = CliRunner().invoke(ktrig, ["replay", "--spill", str(spill), "--to", endpoint])
    assert result.exit_code == 1
    assert message in str(result.exception)


def test_a_busy_port_is_one_line(spill: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(ktrig, ["replay", "--spill", str(spill), "--to", place])
    assert str(result.exception) == f"cannot listen at {place}: Address already in use; choose another"


@pytest.mark.parametrize(
    "option", [["--inline"], ["--explain"], ["--metrics", "127.0.0.1:0"], ["--require-all"]]
)
def test_what_is_for_the_trigger_does_not_go_with_readers(spill: Path, option: list[str]) -> None:
    result = CliRunner().invoke(
        ktrig, ["replay", "--spill", str(spill), "--to", "tcp://127.0.0.1:1", *option]
    )
    assert result.exit_code == 2
    assert "and with --to none runs here" in result.output
