from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.catalogue import load_menu
from streams.cli.main import main
from streams.cli.menu import WIDTH, command

SHIPPED = Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def write(folder: Path, name: str, old: str = "", new: str = "") -> str:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return str(folder / name)


def test_show_prints_the_menu_of_2018_within_80_columns() -> None:
    result = run("show", "--registers")
    assert result.exit_code == 0
    assert "   0  PNN                1  RICH & Q1 & UTMC & !QX & !M1 & !LKr30\n" in result.stdout
    assert "   C  Control          400  CHOD\n" in result.stdout
    assert "slot       6.24 ns (2 fine-time bits)" in result.stdout
    assert "                           NewCHOD   0x7FF27FFB\n" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= WIDTH


def test_show_breaks_a_long_condition_in_front_of_an_and(tmp_path: Path) -> None:
    long = "RICH & Q1 & Q2 & QX & UTMC & H1 & H2 & M1 & M2 & MO1 & MO2 & !MOQX & LKr30 & E5 & E10 & E20"
    file = write(tmp_path, "x.toml", "RICH & Q1 & UTMC & !QX & !M1 & !LKr30", long)
    result = run("show", file)
    assert max(map(len, result.stdout.splitlines())) <= WIDTH
    rows = result.stdout.split("   0  PNN")[1].split("L1  ")[0].rstrip().splitlines()
    assert " ".join(row.strip() for row in rows).endswith(long)
    assert all(row.lstrip().startswith("& ") for row in rows[1:])


def test_show_prints_settings_that_differ_from_the_usual(tmp_path: Path) -> None:
    more = "time_cut_lsb = 64\nignore_until_tick = 4000000\ntime_cuts_lsb = { MUV3 = 100 }\n#"
    result = run("show", write(tmp_path, "x.toml", "time_cut_lsb = 64", more))
    assert "time cut   64 LSB (6.24 ns), MUV3 100 LSB (9.75 ns)\n" in result.stdout
    assert "ignored    entries up to tick 4000000 (99.804 ms)\n" in result.stdout
    assert "note: time cut of MUV3: 100 LSB is more than a slot (64 LSB)" in result.stdout


def test_show_prints_what_the_board_loses_if_the_menu_says_it(tmp_path: Path) -> None:
    more = "[dispatch]\ndead_time_ticks = 3\nlatency_ticks = 10\nchoke = [[1, 1.5], [2, 3]]\n\n[control]"
    file = write(tmp_path, "x.toml", "[control]", more)
    text = " ".join(run("show", file).stdout.split())
    assert (
        "dispatch dead time 3 ticks (75 ns), latency 10 ticks (0.2 us), choke 1.0 to 1.5 s, 2.0 to 3.0 s"
        in text
    )
    assert max(map(len, run("show", file).stdout.splitlines())) <= WIDTH
    assert json.loads(run("show", "--json", file).stdout)["dispatch"]["choke"] == [[1.0, 1.5], [2.0, 3.0]]
    assert "dispatch" not in run("show").stdout
    assert json.loads(run("show", "--json").stdout)["dispatch"] is None


def test_show_prints_what_a_line_is_for(tmp_path: Path) -> None:
    more = 'name = "MT"\ndescription = "three tracks"'
    assert "\n      three tracks\n" in run("show", write(tmp_path, "x.toml", 'name = "MT"', more)).stdout


def test_show_as_json_is_one_object_with_the_menu_and_its_registers() -> None:
    menu, _ = load_menu("na62-2018")
    shown = json.loads(run("show", "--json", "--registers").stdout)
    assert shown["hash"] == menu.hash
    assert shown["lines"][3] == {
        "mask": 3, "name": "2muMT", "condition": "RICH & QX & MO2", "downscaling": 2, "description": "",
        "l1": [{"run": step, "downscaling": 1} for step in ("KTAG", "STRAW(exotic)")], "l1_reduction": 1,
    }  # fmt: skip
    assert shown["registers"][-1] == {
        "mask": None, "name": "Control", "downscale": 399, "words": {"CHOD": "0x3FFF7FFF"},
    }  # fmt: skip
    assert "registers" not in json.loads(run("show", "--json").stdout)


def test_list_names_the_shipped_menus() -> None:
    assert "na62-2018" in run("list").stdout.splitlines()


def test_check_goes_on_after_an_error_and_exits_1(tmp_path: Path) -> None:
    good = write(tmp_path, "good.toml")
    bad = write(tmp_path, "bad.toml", "downscaling = 200", "downscaling = 0")
    result = run("check", good, bad, str(tmp_path), str(tmp_path / "none.toml"), "na62-2018")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{good}: good, 9 lines and the control trigger",
        "na62-2018: good, 9 lines and the control trigger",
    ]
    errors = result.stderr.splitlines()
    assert errors[0].startswith(f"{bad}:")
    assert errors[0].endswith("line[2].downscaling: must be 1 or more, 1 keeps all (is 0)")
    assert errors[1].startswith(f"{tmp_path}: is a folder; give a .toml file")
    assert errors[2].startswith(
        f"{tmp_path / 'none.toml'}: no menu of this name ships with ktrig and there is no"
    )
    assert len(errors) == 3


def test_check_exits_0_when_all_are_good_and_mentions_what_is_odd(tmp_path: Path) -> None:
    file = write(tmp_path, "x.toml", "time_cut_lsb = 64", "time_cut_lsb = 99\n#")
    result = run("check", file)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        f"{file}: good, 9 lines and the control trigger; note: time cut of the default"
    )


def test_check_as_json_has_an_entry_a_file(tmp_path: Path) -> None:
    bad = write(tmp_path, "bad.toml", "[l0]", "[l0")
    result = run("check", "--json", "na62-2018", bad)
    assert result.exit_code == 1
    good_entry, bad_entry = json.loads(result.stdout)["files"]
    assert good_entry == {
        "file": "na62-2018", "good": True, "error": None, "lines": 9, "control": True, "notes": [],
    }  # fmt: skip
    assert bad_entry["error"].startswith(f"{bad}:10: not valid TOML: ")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x7fELF\x02\x01\x01"])
def test_a_file_that_is_no_menu_is_a_one_line_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    result = run("check", str(tmp_path / "x.toml"))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_a_menu_for_an_experiment_that_does_not_ship_is_an_error_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, "x.toml", 'experiment = "na62"', 'experiment = "nowhere"')
    result = run("check", file)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"{file}:8: experiment: no experiment of this name ships with ktrig, known are "
    )


def test_a_profile_of_ones_own_can_be_given(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    shipped = SHIPPED.parents[1] / "experiments" / "na62.toml"
    profile.write_text(
        shipped.read_text(encoding="utf-8").replace('name = "na62"', 'name = "mine"'), encoding="utf-8"
    )
    mine = write(tmp_path, "x.toml", 'experiment = "na62"', 'experiment = "mine"')
    assert run("check", mine, "--experiment", str(profile)).exit_code == 0
    other = run("check", "na62-2018", "--experiment", str(profile))
    assert other.exit_code == 1
    assert "a menu for another experiment: it is for na62, this is mine" in other.stderr


def test_show_of_what_is_not_there_is_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ktrig", "menu", "show", "na62-1918"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == (
        "ktrig: na62-1918: no menu of this name ships with ktrig and there is no such file; "
        "give a .toml file or one of menus: na62-2018, na62-hlt-default\n"
    )
