"""Which searches can see anything in a spill: each that cannot says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streams.catalogue import load_menu
from trigger.menu import Menu
from trigger.searches.activity import effective_downscaling, inactive_because, lines_in, rows_of
from trigger.searches.catalogue import SEARCHES, find_search
from trigger.searches.search import Search

MENU, _ = load_menu("na62-2018")
LINES = [line.name for _row, line in MENU.rows]
PARTS = {part for search in SEARCHES for part in search.needs}

K_PI_X = find_search("k_pi_x")


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_all_are_active_in_a_whole_spill(search: Search) -> None:
    assert inactive_because(search, MENU, LINES, PARTS, True) == ""


def test_none_is_without_l1() -> None:
    assert inactive_because(K_PI_X, MENU, LINES, PARTS, False) == "L1 does not run"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("beam", "the spill has no beam tracks of the GTK (/beam)"),
        ("clusters", "the spill has no clusters of the LKr (/clusters)"),
        ("hits/STRAW", "the spill has no STRAW hits (/hits/STRAW)"),
    ],
)
def test_a_missing_part_of_the_spill_is_the_reason(part: str, reason: str) -> None:
    assert inactive_because(K_PI_X, MENU, LINES, PARTS - {part}, True) == reason


def test_a_line_that_the_menu_has_not_is_the_reason() -> None:
    other = replace(K_PI_X, lines=("Neutrino",))
    assert inactive_because(other, MENU, LINES, PARTS, True) == "the menu na62-2018 has no line Neutrino"


def test_a_line_without_its_detectors_is_the_reason() -> None:
    found = inactive_because(K_PI_X, MENU, [name for name in LINES if name != "PNN"], PARTS, True)
    assert found == "line PNN is inactive"


def test_one_line_of_two_is_enough() -> None:
    both = replace(K_PI_X, lines=("PNN", "Neutrino"))
    assert inactive_because(both, MENU, LINES, PARTS, True) == ""
    assert lines_in(both, MENU) == ["PNN"]


def test_an_event_of_nested_lines_is_lost_only_if_all_of_them_lose_it() -> None:
    both = replace(K_PI_X, lines=("2muMT", "MT"))
    assert effective_downscaling(both, MENU) == pytest.approx(1 / (1 - (1 - 1 / 2) * (1 - 1 / 100)))
    assert effective_downscaling(K_PI_X, MENU) == 1.0


def test_the_control_line_is_a_row_behind_the_masks() -> None:
    control = replace(K_PI_X, lines=("Control",))
    assert rows_of(control, MENU) == [16]
    assert rows_of(K_PI_X, MENU) == [0]


def test_what_l1_keeps_one_in_so_many_of_counts_as_well() -> None:
    text = (Path(__file__).parents[1] / "trigger/menus/na62-2018.toml").read_text()
    text = text.replace('name = "PNN"', 'name = "PNN"\nl1_reduction = 10')
    menu = Menu.from_toml(text.replace("[l1]\n", "[l1]\nreduction = 3\ndownscaling = 5\n"), "menu")
    assert effective_downscaling(K_PI_X, menu) == pytest.approx(150.0)
    control = replace(K_PI_X, lines=("Control",))
    assert effective_downscaling(control, menu) == pytest.approx(400.0 * 15.0)
