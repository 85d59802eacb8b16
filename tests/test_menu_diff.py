"""What changed between two menus, as values and as `ktrig menu diff` prints it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.catalogue import load_experiment, load_menu
from streams.cli.menu import WIDTH, command
from streams.cli.menu_diff_text import text_lines
from trigger.menu import Menu
from trigger.menu_diff import Change, LineChange, MenuDiff, diff_menus

SHIPPED = Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml"
TEXT = SHIPPED.read_text(encoding="utf-8")
NA62 = load_experiment("na62")
MUEMT_AND_DV_MU = 'name = "mueMT"', 'name = "DV-mu"'

Edit = Callable[[str], str]


def replaced(*pairs: tuple[str, str]) -> str:
    """The shipped menu with these replacements."""
    text = TEXT
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def diff(b: str, a: str = TEXT) -> MenuDiff:
    return diff_menus((Menu.from_toml(a, "a"), NA62), (Menu.from_toml(b, "b"), NA62))


def only_line(found: MenuDiff) -> LineChange:
    assert found.settings == ()
    (line,) = found.lines
    return line


def test_a_menu_does_not_differ_from_itself() -> None:
    assert not diff(TEXT)
    assert diff(TEXT) == MenuDiff((), ())


def test_the_order_of_terms_and_the_choice_between_names_of_a_bit_are_no_difference() -> None:
    assert not diff(replaced(("RICH & QX & LKr20", "LKr.E20 & RICH & NewCHOD.QX")))


def test_terms_that_come_and_go_are_named() -> None:
    line = only_line(diff(replaced(("& !M1 & !LKr30", "& M1 & !MO2"))))
    assert (line.name_a, line.kinds) == ("PNN", ("condition",))
    assert (line.removed, line.added) == (("!M1", "!LKr30"), ("M1", "!MO2"))


def test_a_line_is_added_or_removed_with_its_mask() -> None:
    more = TEXT + '\n[[line]]\nname = "new"\ncondition = "RICH & M2"\ndownscaling = 3\n'
    line = only_line(diff(more))
    assert (line.kinds, line.name_b, line.row_a, line.row_b) == (("added",), "new", None, 9)
    assert line.condition_b == "RICH & M2"
    line = only_line(diff(TEXT, more))
    assert (line.kinds, line.name_a, line.row_a, line.row_b) == (("removed",), "new", 9, None)


def test_a_new_name_of_the_same_condition_is_a_renaming() -> None:
    line = only_line(diff(replaced(('name = "eMT"', 'name = "electrons"'))))
    assert (line.kinds, line.name_a, line.name_b) == (("renamed",), "eMT", "electrons")
    assert only_line(diff(replaced(('name = "Control"', 'name = "C"')))).kinds == ("renamed",)


def test_of_two_new_names_the_one_with_the_same_downscaling_is_the_renaming() -> None:
    second = '[[line]]\nname = "second"\ncondition = "RICH & QX & LKr20"\ndownscaling = 8\n'
    second += 'l1 = ["KTAG", "STRAW(exotic)"]\n'
    found = diff(
        replaced(('name = "eMT"', 'name = "first"'), ("downscaling = 8", "downscaling = 7")) + second
    )
    by_name = {line.name_b: line.kinds for line in found.lines}
    assert by_name["second"] == ("renamed", "moved")
    assert by_name["first"] == ("added",)


def test_lines_that_change_places_move_to_other_masks() -> None:
    a, b = (TEXT.index(f"[[line]]\n{name}") for name in MUEMT_AND_DV_MU)
    end = TEXT.index("[[line]]", b + 1)
    found = diff(TEXT[:a] + TEXT[b:end] + TEXT[a:b] + TEXT[end:])
    assert [(line.name_a, line.kinds, line.row_a, line.row_b) for line in found.lines] == [
        ("mueMT", ("moved",), 5, 6),
        ("DV-mu", ("moved",), 6, 5),
    ]


def test_a_downscaling_that_changes_is_a_field_of_its_line() -> None:
    line = only_line(diff(replaced(("downscaling = 400", "downscaling = 300"))))
    assert (line.name_a, line.row_a) == ("Control", 16)
    assert line.fields == (Change("downscaling", 400, 300),)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ('reference = "RICH"', 'reference = "LKr"', Change("l0.reference", "RICH", "LKr")),
        ("fine_time_bits = 2", "fine_time_bits = 3", Change("l0.fine_time_bits", 2, 3)),
        ("time_cut_lsb = 64", "time_cut_lsb = 65", Change("l0.time_cut_lsb", 64, 65)),
        (
            "time_cut_lsb = 64",
            "time_cut_lsb = 64\ntime_cuts_lsb = { MUV3 = 9 }",
            Change("l0.time_cuts_lsb.MUV3", None, 9),
        ),
        (
            "time_cut_lsb = 64",
            "time_cut_lsb = 64\nignore_until_tick = 7",
            Change("l0.ignore_until_tick", None, 7),
        ),
        ('detector = "CHOD"', 'detector = "LKr"', Change("control.detector", "CHOD", "LKr")),
        ('name = "na62-2018"', 'name = "mine"', Change("name", "na62-2018", "mine")),
    ],
)
def test_a_setting_that_differs_is_named_with_both_values(old: str, new: str, change: Change) -> None:
    assert diff(replaced((old, new))) == MenuDiff((change,), ())


class _WithMore(Menu):
    """A menu with a table that this version does not know."""

    more: dict[str, int] | None = None


def test_a_field_that_is_added_to_menus_shows_without_further_ado() -> None:
    a = _WithMore.from_toml(TEXT, "a")
    b = _WithMore.from_toml(TEXT + "\n[more]\nperiod = 3\n", "b")
    assert diff_menus((a, NA62), (b, NA62)) == MenuDiff((Change("more.period", None, 3),), ())


def test_a_control_trigger_that_goes_is_a_line_and_its_detector() -> None:
    start = TEXT.index("[control]")
    found = diff(TEXT[:start] + TEXT[TEXT.index("\n# L1:") :])
    assert found.settings == (Change("control.detector", "CHOD", None),)
    assert [(line.name_a, line.kinds) for line in found.lines] == [("Control", ("removed",))]


def test_the_text_says_each_change_in_a_line() -> None:
    text = replaced(
        ("& !M1 & !LKr30", "& !LKr30"),
        ('name = "eMT"', 'name = "electrons"'),
        ("time_cut_lsb = 64", "time_cut_lsb = 40\nignore_until_tick = 5"),
        ("downscaling = 10000", "downscaling = 500"),
    )
    text += '\n[[line]]\nname = "new"\ncondition = "RICH & M2"\ndownscaling = 3\n'
    assert list(text_lines(diff(text))) == [
        "settings",
        "  l0.time_cut_lsb 64 -> 40",
        "  l0.ignore_until_tick not set -> 5",
        "lines",
        "  PNN: without !M1",
        "  eMT: is called electrons in B",
        "  MinBias: downscaling 10000 -> 500",
        "  new: added (mask 9: RICH & M2)",
    ]


@pytest.fixture
def other(tmp_path: Path) -> str:
    path = tmp_path / "b.toml"
    long = " & ".join(
        ["RICH", *(f"!NewCHOD.HO1 & !{bit}" for bit in ("M2",)), "QE1", "QE2", "QE3", "E40", "C1", "C2"]
    )
    path.write_text(
        replaced(("RICH & Q1 & !M1", long)) + f'[[line]]\nname = "n"\ncondition = "{long}"\ndownscaling = 2\n'
    )
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["diff", *arguments])


def test_the_exit_code_is_0_unless_it_is_asked_for(other: str) -> None:
    assert run("na62-2018", other).exit_code == 0
    assert run("na62-2018", other, "--exit-code").exit_code == 1
    assert run("na62-2018", "na62-2018", "--exit-code").exit_code == 0


def test_diff_prints_80_columns(other: str) -> None:
    lines = run("na62-2018", other).stdout.splitlines()
    assert lines[:2] == ["A  na62-2018", f"B  {other}"]
    assert max(map(len, lines[2:])) <= WIDTH
    assert run("na62-2018", "na62-2018").stdout.splitlines()[2:] == ["no difference"]


def test_diff_as_json_is_one_object(other: str) -> None:
    found = json.loads(run("na62-2018", other, "--json").stdout)
    assert found.keys() == {"a", "b", "same", "settings", "lines"}
    assert (found["same"], found["settings"]) == (False, [])
    assert [(line["kinds"], line["name_b"]) for line in found["lines"]] == [
        (["condition"], "Non-mu"),
        (["added"], "n"),
    ]
    assert json.loads(run("na62-2018", "na62-2018", "--json").stdout)["same"] is True


def test_menus_of_two_experiments_are_compared_each_with_its_own_names() -> None:
    menu, na62 = load_menu("na62-2018")
    other = menu.model_copy(update={"experiment": "mine"})
    found = diff_menus((menu, na62), (other, na62.model_copy(update={"name": "mine"})))
    assert found == MenuDiff((Change("experiment", "na62", "mine"),), ())
