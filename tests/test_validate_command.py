"""`ktrig validate`: a line a problem, and the exit code is the answer."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner, Result
from spill_cases import RICH, attribute, both, element, with_checksums, write

from streams.catalogue import CatalogueError
from streams.cli.validate import command
from streams.spill.problem import checks


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """A good file with two warnings."""
    path = write(tmp_path / "warned.h5")
    with h5py.File(path, "r+") as file:
        both(attribute("owner", "me"), with_checksums(element("words", 35, 0x0000_001E)))(file)
    return path


def test_the_command_exits_0_if_all_files_are_good(tmp_path: Path) -> None:
    path = write(tmp_path / "good.h5")
    result = run(path, path)
    assert (result.exit_code, result.output) == (0, 2 * f"{path}: good\n")


def test_the_command_exits_1_with_a_line_for_each_problem(tmp_path: Path, warned: Path) -> None:
    bad = write(tmp_path / "bad.h5")
    with h5py.File(bad, "r+") as file:
        element("words", 35, 0x4000_001F)(file)
    result = run(bad, warned)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{bad}: error: checksum: /primitives/RICH frames 8 to 15: the CRC-32 is 0x")
    assert lines[0].endswith(" as written; copy the file again")
    assert lines[1:] == [
        f"{warned}: warning: extras: /: has the attribute 'owner', which is not of the format; leave it out",
        f"{warned}: warning: zero: /{RICH} frame 11: first of 1 primitives with ID 0; leave them out",
        f"{warned}: good, 2 warnings",
    ]


def test_warnings_do_not_change_the_exit_code_unless_strict(warned: Path) -> None:
    assert run(warned).exit_code == 0
    strict = run(warned, "--strict")
    assert (strict.exit_code, "good" in strict.output) == (1, False)
    assert run(warned, "--json").exit_code == 0
    assert run(warned, "--json", "--strict").exit_code == 1


def test_the_command_prints_one_json_object_when_asked(tmp_path: Path, warned: Path) -> None:
    path = write(tmp_path / "unknown.h5", detectors=["RICH"], experiment="na99")
    result = run(path, warned, "--json")
    shown = json.loads(result.output)
    assert (result.exit_code, shown["errors"], shown["warnings"]) == (1, 1, 2)
    (told,) = shown["files"][str(path)]
    assert told == {
        "check": "experiment",
        "severity": "error",
        "place": "attribute experiment",
        "what": "is 'na99', known are na62",
        "remedy": "give its profile with --experiment",
    }


def test_the_command_lists_its_checks_without_a_file() -> None:
    result = run("--list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[1] for line in lines] == [check.name for check in checks()]
    assert all(line.endswith(check.asks) for line, check in zip(lines, checks(), strict=True))


def test_wrong_arguments_exit_2(tmp_path: Path) -> None:
    assert run().exit_code == 2
    assert run(write(tmp_path / "good.h5"), "--lenient").exit_code == 2


def test_a_profile_or_menu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "good.h5")
    for option in ("--experiment", "--menu"):
        assert isinstance(run(path, option, "nosuch").exception, CatalogueError)
