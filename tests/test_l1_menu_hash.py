"""L1 in a menu's hash, in the difference of two menus, and in the commands that show, check and compare them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from l1_menu_text import CHAINS, NA62, STEPS_LINE, TEXT, made, with_settings, with_steps, without_l1

from streams.catalogue import load_menu
from streams.cli.menu import WIDTH, command
from trigger.menu import Menu
from trigger.menu_diff import Change, diff_menus

SHIPPED = Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml"


def test_a_menu_without_l1_has_the_hash_that_it_always_had() -> None:
    """The menu of 2018 as it was before there was L1."""
    text = SHIPPED.read_text(encoding="utf-8")
    before = re.sub(r"^l1 = .*\n", "", without_l1(text), flags=re.MULTILINE)
    menu = Menu.from_toml(before, "x")
    assert menu.l1 is None
    assert menu.hash == "90e3b4162799adda167cdaee77e73b6330bc0127f49d35c0450a81d065f2258e"
    assert Menu.from_toml(text, "x").hash != menu.hash


def test_empty_algorithms_and_a_reduction_of_1_do_not_change_the_hash_of_a_menu_without_l1() -> None:
    plain = without_l1(TEXT.replace('l1 = ["KTAG"]\n', ""))
    said = without_l1(TEXT.replace('l1 = ["KTAG"]', "l1 = []\nl1_reduction = 1"))
    assert made(plain).hash == made(said).hash


@pytest.mark.parametrize(
    "text",
    [
        with_settings('straw = "compatible"'),
        with_settings("autopass = 10"),
        with_settings("windows_ns = { KTAG = 5.0 }"),
        with_settings("thresholds = { lav_hits = 2 }"),
        with_steps('["!KTAG"]'),
        with_steps('["?KTAG"]'),
        with_steps('["KTAG", "!LAV"]'),
        with_steps('[{ run = "KTAG", downscaling = 2 }]'),
        with_steps('["KTAG"]\nl1_reduction = 2'),
        with_steps("[]"),
    ],
)
def test_any_change_of_l1_changes_the_hash(text: str) -> None:
    assert made(text).hash != made(TEXT).hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('["KTAG"]', '[{ downscaling = 1, run = "KTAG" }]'),
        ('["!LAV"]', '[" ! LAV "]'),
        ('["STRAW(pnn)"]', '["STRAW( pnn )"]'),
        ('["STRAW(pnn+exotic)"]', '["STRAW(exotic + pnn)"]'),
    ],
)
def test_how_a_step_is_spelt_does_not_change_the_hash(one: str, other: str) -> None:
    """As for conditions."""
    assert made(with_steps(one)).hash == made(with_steps(other)).hash


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.fixture
def changed(tmp_path: Path) -> str:
    """The menu of 2018 with other algorithms of a line and another window."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in (("LAV = 6.0", "LAV = 7.0"), ('["STRAW(dv-loose)"]', '["KTAG", "STRAW(dv-tight)"]')):
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "b.toml").write_text(text, encoding="utf-8")
    return str(tmp_path / "b.toml")


def test_menu_diff_names_the_settings_and_lines_of_l1_that_differ(changed: str) -> None:
    found = diff_menus(load_menu("na62-2018"), load_menu(changed))
    assert found.settings == (Change("l1.windows_ns.LAV", 6.0, 7.0),)
    assert [(line.name_a, line.kinds, [c.field for c in line.fields]) for line in found.lines] == [
        ("DV-mu", ("fields",), ["l1"])
    ]
    result = run("diff", "na62-2018", changed)
    assert "  l1.windows_ns.LAV 6.0 -> 7.0\n" in result.stdout
    assert "STRAW(dv-tight)" in result.stdout
    assert max(map(len, result.stdout.splitlines()[2:])) <= WIDTH
    assert json.loads(run("diff", "na62-2018", changed, "--json").stdout)["same"] is False


def test_a_menu_that_gets_l1_differs_by_its_settings_and_chains() -> None:
    """Where it has none, nothing is set."""
    before = made(without_l1(TEXT.replace('l1 = ["KTAG"]\n', "")))
    found = diff_menus((before, NA62), (made(TEXT), NA62))
    assert Change("l1.straw", None, "refit") in found.settings
    assert [(line.name_a, line.kinds) for line in found.lines] == [("PNN", ("fields",))]
    back = diff_menus((made(TEXT), NA62), (before, NA62))
    assert Change("l1.straw", "refit", None) in back.settings


def test_menu_check_places_a_fault_of_l1(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(with_steps('["KTAG", "!LAW"]'), encoding="utf-8")
    result = run("check", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file}:{STEPS_LINE}: line[1].l1[2]")
    assert run("check", "na62-2018", "na62-hlt-default").exit_code == 0


def test_menu_show_as_json_has_the_algorithms_of_each_line() -> None:
    shown = json.loads(run("show", "--json", "na62-hlt-default").stdout)
    chains = {line["name"]: [step["run"] for step in line["l1"]] for line in shown["lines"]}
    assert chains == CHAINS
    assert run("list").stdout.splitlines() == ["na62-2018", "na62-hlt-default"]
