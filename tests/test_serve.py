"""Primitives served to readers outside: the documented reader gets every one, whatever happens to it."""

from __future__ import annotations

import ast
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from replay_cases import LIMIT_S, started, wait_until

from streams.cli.main import ktrig
from streams.spill.reader import SpillReader

DOCS = Path(__file__).parents[1] / "docs"
READER = DOCS / "reader.py"

TWICE = ("replay", "--loop", "2", "--wait-readers", "2", "--json", "--spill")

END_S = 5.0
"""A stop is obeyed within this time: 2 s, and more on a machine that has other things to do."""


@pytest.fixture(params=["ipc", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An endpoint that is free."""
    return f"ipc://{tmp_path}/served" if request.param == "ipc" else free_port()


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def reading(endpoint: str, name: str = "reader") -> Iterator[subprocess.Popen[str]]:
    """The documented reader as a process."""
    with subprocess.Popen(
        [sys.executable, READER, endpoint, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def counted(reader: subprocess.Popen[str]) -> dict[str, int]:
    """What the reader prints."""
    out, error = reader.communicate(timeout=LIMIT_S)
    assert error == ""
    found: dict[str, int] = ast.literal_eval(out)
    return found


def primitives(spill: Path) -> dict[str, int]:
    with SpillReader(spill) as reader:
        return reader.primitives_per_detector


def test_the_protocol_shows_the_reader_as_it_is() -> None:
    text = (DOCS / "protocol.md").read_text(encoding="utf-8")
    assert f"```python\n{READER.read_text(encoding='utf-8')}```\n" in text


def test_two_readers_get_every_primitive_of_every_spill(spill: Path, place: str) -> None:
    with (
        started(
            "replay", "--spill", str(spill), "--loop", "2", "--to", place, "--wait-readers", "2", "--json"
        ) as served,
        reading(place, "a") as a,
        reading(place, "b") as b,
    ):
        expected = {name: 2 * n for name, n in primitives(spill).items()}
        assert counted(a) == counted(b) == expected
        out, _error = served.communicate(timeout=LIMIT_S)
    report = json.loads(out)
    assert sorted(report["readers"]) == ["a", "b"]
    assert report["primitives"] == expected
    assert report["ledger_closed"]
    assert (report["malformed_messages"], report["redone"], report["lost_in_transport"]) == (0, 0, 0)


def test_a_reader_that_is_killed_and_started_anew_gets_the_whole_spill(spill: Path) -> None:
    place = free_port()
    with started("replay", "--spill", str(spill), "--speed", "0.02", "--to", place, "--json") as served:
        with reading(place) as first:
            wait_until(lambda: established(place) > 0)
            # Somewhere in the spill, which takes a second.
            with pytest.raises(subprocess.TimeoutExpired):
                first.wait(0.4)
            first.kill()
        with reading(place) as second:
            assert counted(second) == primitives(spill)
        out, _error = served.communicate(timeout=LIMIT_S)
    report = json.loads(out)
    assert report["ledger_closed"]
    assert report["redone"] == report["links"]["readers"]["restarts"] == 1


def established(place: str) -> int:
    """Connections to a port of this host, as the system lists them."""
    port = f":{int(place.rpartition(':')[2]):04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(line.split()[1].endswith(port) and line.split()[3] == "01" for line in lines)


@pytest.mark.parametrize("readers", [0, 1])
def test_ctrl_c_ends_serving_with_a_report(spill: Path, readers: int) -> None:
    place = free_port()
    with started("replay", "--spill", str(spill), "--speed", "0.001", "--to", place, "--json") as served:
        assert served.stderr is not None
        served.stderr.readline()
        if readers:
            with reading(place) as reader:
                wait_until(lambda: established(place) > 0)
                served.send_signal(signal.SIGINT)
                out, error = served.communicate(timeout=END_S)
                assert counted(reader) is not None
        else:
            served.send_signal(signal.SIGINT)
            out, error = served.communicate(timeout=END_S)
    assert (served.returncode, error) == (130, "ktrig: interrupted\n")
    report = json.loads(out)
    assert report["interrupted"]
    assert report["ledger_closed"]


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
    assert "and with --to none runs here" in str(result.exception)
