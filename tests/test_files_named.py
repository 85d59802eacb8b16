"""Files that a user names: what cannot be read or written is one line that says so, at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from streams.catalogue import MAX_BYTES, load_menu
from streams.cli.main import main

Refused = Callable[..., str]

LIMIT_S = 5.0
"""Longest that a command waits for a pipe before its test fails."""

SIMULATE = ("simulate", "--duration", "0.007", "--intensity", "10")
IMPORT = ("import", "primitives", "--experiment", "na62", "--detector", "LKr")


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refused:
    """Run a command line in an empty folder; see that it fails with one line, and return that."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["ktrig", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, error = capsys.readouterr()
        assert left.value.code in (1, 2)
        assert out == ""
        assert error.startswith("ktrig: ")
        assert error.count("\n") == 1
        return error.removeprefix("ktrig: ").rstrip("\n")

    return run


def test_an_import_does_not_replace_the_file_it_reads(refused: Refused, tmp_path: Path) -> None:
    raw = (0x0000_0001).to_bytes(4, "little") + (0x7000_0000).to_bytes(4, "little")
    (tmp_path / "r.bin").write_bytes(raw)
    error = refused(*IMPORT, "r.bin", "--format", "32", "-o", "r.bin")
    assert error == "r.bin: is there and is not a spill file; choose another name"
    assert (tmp_path / "r.bin").read_bytes() == raw


@pytest.mark.parametrize("command", [SIMULATE, (*IMPORT, "r.bin")])
@pytest.mark.parametrize(
    ("output", "what"), [("", "it is empty"), (".", "'.' is a folder"), ("sub/", "'sub/' is a folder")]
)
def test_an_output_that_is_no_file_is_refused_with_its_option(
    refused: Refused, tmp_path: Path, command: tuple[str, ...], output: str, what: str
) -> None:
    (tmp_path / "sub").mkdir()
    error = refused(*command, "-o", output)
    assert f"'-o' / '--output': {what}; give the name of the file to write" in error
    assert [path.name for path in tmp_path.rglob("*")] == ["sub"]


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError("waits for a pipe")


@pytest.mark.parametrize("name", ["pipe", "/dev/null"])
@pytest.mark.parametrize(
    "command",
    [
        (*IMPORT, "-o", "spill.h5", "NAME"),
        ("import", "primitives", "--experiment", "NAME", "--detector", "LKr", "-o", "spill.h5", "r.bin"),
        ("menu", "show", "NAME"),
        ("menu", "show", "--experiment", "NAME"),
        ("info", "NAME"),
    ],
)
def test_a_pipe_or_a_device_is_refused_and_not_read(
    refused: Refused, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    error = refused(*(name if word == "NAME" else word for word in command))
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert error.startswith(f"{name}: is not a regular file; give ")


def test_a_toml_file_of_over_1_mib_is_refused(refused: Refused, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml").read_text(encoding="utf-8")
    file = tmp_path / "long.toml"
    file.write_text(text + "#" * (MAX_BYTES - len(text.encode())), encoding="utf-8")
    load_menu(str(file))
    with file.open("a") as more:
        more.write("#")
    assert refused("menu", "show", "long.toml").startswith(
        "long.toml: has 1048577 bytes, more than the 1048576 (1 MiB) allowed; give a .toml file"
    )


@pytest.mark.parametrize("engine", [(), ("--inline",)])
def test_a_spill_without_detectors_is_not_replayed(
    refused: Refused, tmp_path: Path, spill: Path, engine: tuple[str, ...]
) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(spill.read_bytes())
    with h5py.File(path, "r+") as file:
        for name in list(file["primitives"]):
            del file["primitives"][name]
    error = refused("replay", "--spill", "x.h5", *engine)
    assert error == "x.h5: has no detectors; write the file again, or give another"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--menu", ""), "the name of the menu is empty; give a .toml file or one of menus: na62-2018"),
        (("--experiment", ""), "the name of the experiment is empty; give a .toml file or one of"),
        (("--spill", ""), "the name of the spill file is empty, or '.'; give a spill file"),
        (("--menu", "nosuch"), "nosuch: no menu of this name ships with ktrig and there is no such file; "),
        (("--experiment", "na48"), "na48: no experiment of this name ships with ktrig and there is no such"),
    ],
)
def test_a_name_that_is_empty_or_not_known_is_said_to_be(
    refused: Refused, spill: Path, arguments: tuple[str, ...], what: str
) -> None:
    assert refused("replay", "--inline", "--spill", str(spill), *arguments).startswith(what)


def test_an_empty_profile_is_not_taken_for_none(refused: Refused) -> None:
    assert refused("menu", "show", "--experiment", "").startswith("the name of the experiment is empty")
