"""`ktrig replay`: what it prints, and how it ends when a file, an address, a stage or a signal ends it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Ktrig
from replay_cases import (
    KTRIG,
    LIMIT_S,
    OF_THE_CLOCK,
    physics,
    random_streams,
    request,
    scrape,
    started,
    wait_until,
    write,
)

from streams.stages.inline import replay_inline
from streams.stages.processes import STAGES
from streams.stages.request import Watcher
from trigger.frames import BLOCK_FRAMES

SLOW = "0.001"
"""A speed at which the small spill takes 20 s: no test waits for its end."""

END_S = 5.0
"""A stop is obeyed within this time: 2 s, and more on a machine that has other things to do."""


def is_one_line(error: str) -> bool:
    """Whether an error is one line that says who speaks."""
    return error.startswith("ktrig: ") and error.count("\n") == 1 and error.endswith("\n")


@pytest.fixture(scope="module")
def report(spill: Path) -> dict[str, Any]:
    """What `ktrig replay --json` prints for the small spill."""
    ended = subprocess.run(
        [KTRIG, "replay", "--spill", spill, "--json"], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    seen: dict[str, Any] = json.loads(ended.stdout)
    return seen


def test_json_is_the_report_alone(spill: Path, report: dict[str, Any]) -> None:
    inline = json.loads(json.dumps(replay_inline(request(spill), Watcher())))
    assert physics(report) == physics(inline)
    assert report.keys() == inline.keys() > set(OF_THE_CLOCK)


def test_the_memory_of_all_processes_is_in_the_report(report: dict[str, Any]) -> None:
    assert 50 < report["peak_pss_mib"] < 2048


def test_the_report_fits_80_columns_and_names_every_line(
    spill: Path, ktrig: Ktrig, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, error = ktrig("replay", "--spill", spill, "--inline")
    assert (code, error) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    starts = [line.split()[0] for line in out.splitlines()]
    assert starts[2 : 2 + len(report["lines"])] == [line["name"] for line in report["lines"]]
    assert "ledger    closed, 0 lost in transport" in out
    assert f"({report['l0_triggers']:,} triggers)" in out


def test_an_open_ledger_is_exit_code_1(spill: Path, ktrig: Ktrig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.report.transport_loss", lambda *_: 3)
    code, out, _error = ktrig("replay", "--spill", spill, "--inline")
    assert code == 1
    assert "ledger    NOT CLOSED, 3 lost in transport" in out


def test_inactive_lines_give_their_reason_once_and_exit_code_0(tmp_path: Path, ktrig: Ktrig) -> None:
    path = write(tmp_path / "lkr.h5", random_streams(["LKr"], 100, 20), 100)
    code, out, error = ktrig("replay", "--spill", path, "--inline")
    assert (code, error) == (0, "")
    assert out.count("inactive") == 20
    assert out.count("reference RICH is absent: PNN, Non-mu, MT") == 1
    assert out.count("control detector CHOD is absent: Control") == 1


def test_an_empty_spill_says_so(tmp_path: Path, ktrig: Ktrig) -> None:
    path = write(tmp_path / "empty.h5", random_streams(["RICH"], 0, 0), 0)
    code, out, error = ktrig("replay", "--spill", path, "--inline")
    assert (code, error) == (0, "")
    assert "the spill has no primitives, so there are no rates" in out


@pytest.mark.needs_jit
def test_the_progress_bar_is_for_terminals_only(spill: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ["replay", "--spill", str(spill), "--inline", "--json", "--speed", "0.2"]
    with subprocess.Popen([KTRIG, *arguments], stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b"".join(_read_terminal(ours))
        assert process.wait(LIMIT_S) == 0
        assert process.stdout is not None
        json.loads(process.stdout.read())
    os.close(ours)
    assert b"replay" in shown
    assert b"%" in shown


def _read_terminal(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:
            return
        if not part:
            return
        yield part


def unsorted(path: Path) -> None:
    """Swap the first two words of the second block and mend its checksum."""
    with h5py.File(path, "r+") as file:
        group = file["primitives/RICH"]
        offsets, words = group["offsets"][:], group["words"][:]
        bounds = offsets[BLOCK_FRAMES : 2 * BLOCK_FRAMES + 1]
        frame = np.flatnonzero(np.diff(bounds) >= 2)[0]
        first = bounds[frame]
        words[first : first + 2] = [words[first] | 0xFFFF, words[first + 1] & ~np.uint32(0xFFFF)]
        group["words"][...] = words
        block = words[bounds[0] : bounds[-1]]
        group["crc32"][1] = zlib.crc32((bounds - bounds[0]).tobytes(), zlib.crc32(block.tobytes()))


def flipped(path: Path) -> None:
    """Change a word of the third block."""
    with h5py.File(path, "r+") as file:
        group = file["primitives/CHOD"]
        group["words"][group["offsets"][2 * BLOCK_FRAMES]] ^= 1


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def foreign(path: Path) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        file["x"] = 1


def of_another_experiment(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["experiment"] = np.bytes_("koto")


def with_an_unknown_detector(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.move("primitives/RICH", "primitives/RYCH")


UNSORTED = "/primitives/RICH frame .*: words are not sorted by time; write the file again"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unsorted, UNSORTED),
        (flipped, "/primitives/CHOD frames .*: the CRC-32 is .* as written; copy the file again"),
        (cut_short, "is cut short"),
        (foreign, "is not a ktrig spill file"),
        (Path.unlink, "No such file or directory"),
        (of_another_experiment, "is of the experiment 'koto', of which ktrig has no profile"),
        (with_an_unknown_detector, "na62 has no detector 'RYCH'; did you mean RICH?"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(
    spill: Path, tmp_path: Path, ktrig: Ktrig, change: Callable[[Path], None], message: str
) -> None:
    refuse(spill, tmp_path, ktrig, change, message, "--inline")


@pytest.mark.needs_jit
def test_a_file_that_turns_out_bad_while_processes_play_it_is_the_same_line(
    spill: Path, tmp_path: Path, ktrig: Ktrig
) -> None:
    refuse(spill, tmp_path, ktrig, unsorted, UNSORTED)


def refuse(
    spill: Path,
    folder: Path,
    ktrig: Ktrig,
    change: Callable[[Path], None],
    message: str,
    *engine: str,
) -> None:
    """See that a replay of the spill with this change ends in a line with this message."""
    path = folder / "bad.h5"
    path.write_bytes(spill.read_bytes())
    change(path)
    code, out, error = ktrig("replay", "--spill", path, *engine)
    assert (code, out) == (1, "")
    assert is_one_line(error)
    assert error.startswith(f"ktrig: {path}: ")
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--menu", "na62-1918"], "na62-1918: .*give a .toml file or one of menus: na62-2018"),
        (["--menu", "{folder}/koto.toml"], r"koto.toml:8: .* for another experiment: it is for koto"),
        (["--experiment", "na63"], "na63: .*one of experiments: na62"),
        (["--experiment", "{folder}/koto-profile.toml"], "it is for na62, this is koto"),
        (
            ["--menu", "{folder}/koto.toml", "--experiment", "{folder}/koto-profile.toml"],
            "spill.h5: is of the experiment 'na62', the profile is of 'koto'",
        ),
    ],
)
def test_a_menu_or_profile_that_does_not_fit_is_one_line(
    spill: Path, tmp_path: Path, ktrig: Ktrig, arguments: list[str], message: str
) -> None:
    shipped = Path(__file__).parents[1] / "trigger"
    for source, name in (("menus/na62-2018", "koto"), ("experiments/na62", "koto-profile")):
        text = (shipped / f"{source}.toml").read_text(encoding="utf-8")
        (tmp_path / f"{name}.toml").write_text(text.replace('"na62"', '"koto"'), encoding="utf-8")
    given = [argument.format(folder=tmp_path) for argument in arguments]
    code, out, error = ktrig("replay", "--spill", spill, *given)
    assert (code, out) == (1, "")
    assert is_one_line(error)
    assert re.search(message, error)


@pytest.mark.parametrize("engine", [["--inline"], pytest.param([], marks=pytest.mark.needs_jit)])
def test_a_busy_port_for_metrics_is_one_line(spill: Path, ktrig: Ktrig, engine: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, error = ktrig("replay", "--spill", spill, "--metrics", address, *engine)
    assert (code, out) == (1, "")
    assert error == f"ktrig: --metrics {address}: Address already in use; choose another HOST:PORT\n"


@pytest.mark.parametrize(
    "address", ["9100", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", ":9100", "nohost.invalid:1"]
)
def test_a_bad_address_for_metrics_is_one_line(spill: Path, ktrig: Ktrig, address: str) -> None:
    code, out, error = ktrig("replay", "--spill", spill, "--inline", "--metrics", address)
    assert (code, out) == (1, "")
    assert is_one_line(error)
    assert error.startswith(f"ktrig: --metrics {address}: ")


@pytest.mark.needs_jit
def test_a_stage_that_is_killed_is_started_anew_and_a_line_says_so(spill: Path) -> None:
    with played(spill) as process:
        os.kill(children(process)[[*STAGES].index("l0")], signal.SIGKILL)
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
        process.communicate(timeout=END_S)
    assert line == "stage l0 was killed by SIGKILL; started anew, its spill is played again\n"
    assert process.returncode == 143


@pytest.mark.needs_jit
def test_a_stage_that_is_killed_before_it_is_ready_is_one_line(spill: Path) -> None:
    with started("replay", "--spill", str(spill), "--speed", SLOW) as process:
        pids = wait_until(lambda: children(process))
        os.kill(pids[0], signal.SIGKILL)
        out, error = process.communicate(timeout=END_S)
    assert (process.returncode, out) == (1, "")
    assert error == "ktrig: stage monitor was killed by SIGKILL; the replay is not complete\n"


@pytest.mark.needs_jit
@pytest.mark.parametrize("engine", [["--inline"], [], ["--transport", "tcp"]])
def test_ctrl_c_ends_a_replay_with_a_report(spill: Path, engine: list[str]) -> None:
    with played(spill, *engine, "--json") as process:
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=END_S)
    assert (process.returncode, error) == (130, "ktrig: interrupted\n")
    report = json.loads(out)
    assert report["interrupted"]
    assert report["ledger_closed"]
    assert 0 < report["played_spill_s"] < report["spill_s"]


@pytest.mark.needs_jit
@pytest.mark.parametrize("engine", [["--inline"], []])
def test_an_impatient_ctrl_c_ends_a_replay_in_one_line(spill: Path, engine: list[str]) -> None:
    with played(spill, *engine) as process:
        for _impatient in range(3):
            os.killpg(process.pid, signal.SIGINT)
            threading.Event().wait(0.01)
        out, error = process.communicate(timeout=END_S)
    assert process.returncode == 130
    assert error == "ktrig: interrupted\n"
    assert out == "" or "stopped   after" in out


@pytest.mark.needs_jit
def test_a_termination_of_the_command_alone_ends_its_stages_too(spill: Path) -> None:
    with played(spill) as process:
        process.terminate()
        out, error = process.communicate(timeout=END_S)
    assert (process.returncode, error) == (143, "ktrig: terminated\n")
    assert "stopped   after" in out


@pytest.mark.needs_jit
def test_ctrl_c_while_the_stages_start_accounts_for_a_spill_that_was_not_played(spill: Path) -> None:
    with started("replay", "--spill", str(spill), "--speed", SLOW, "--json") as process:
        wait_until(lambda: children(process))
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=END_S)
    assert (process.returncode, error) == (130, "ktrig: interrupted\n")
    report = json.loads(out)
    assert (report["interrupted"], report["played_spill_s"], report["ledger_closed"]) == (True, 0.0, True)


@pytest.mark.needs_jit
def test_ctrl_c_in_the_first_compilation_ends_a_replay_with_a_report(spill: Path, tmp_path: Path) -> None:
    """With an empty cache the stages compile for several seconds."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    arguments = ("replay", "--spill", str(spill), "--json")
    with started(*arguments, env=environment) as process:
        wait_until(lambda: [*tmp_path.rglob("*.nbi")])
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=END_S)
    assert (process.returncode, error) == (130, "ktrig: interrupted\n")
    assert json.loads(out)["interrupted"]


def children(process: subprocess.Popen[str]) -> list[int]:
    """The stages of a replay, in the order of their start."""
    found = []
    for other in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((other / "stat").read_text().rpartition(")")[2].split()[1])
            command = (other / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == process.pid and b"spawn_main" in command:
            found.append(int(other.name))
    return sorted(found)


@contextmanager
def played(spill: Path, *engine: str) -> Iterator[subprocess.Popen[str]]:
    """A slow replay in its middle: `ktrig` as a process whose monitor has seen blocks."""
    arguments = ["replay", "--spill", str(spill), "--speed", SLOW, "--block-frames", "1", *engine]
    with started(*arguments, "--metrics", "127.0.0.1:0") as process:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("metrics at ").strip()
        wait_until(lambda: re.search(r"^ktrig_spill_position_seconds (?!0\.0$)", scrape(url), re.MULTILINE))
        yield process
