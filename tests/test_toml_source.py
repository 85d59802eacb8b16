from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from trigger.errors import KtrigError
from trigger.toml_source import Name, Real, Table, Whole, Word, dotted, fault, line_of, parse, place, shown


class SourceError(KtrigError):
    pass


class Wheel(Table):
    name: Name
    spokes: Annotated[Whole, Field(ge=3, lt=100)]


class Road(Table):
    length_km: Annotated[Real, Field(gt=0, le=50)]


class Bicycle(Table):
    title: str
    road: Road
    bell: Road | None = None
    gears: dict[Word, Whole] = Field(default_factory=dict)
    wheel: tuple[Wheel, ...] = ()


GOOD = """\
title = "tourer"

[road]
length_km = 12  # whole numbers are numbers

[gears]
low = 1

[[wheel]]
name = "front"
spokes = 32

[[wheel]]
name = "rear"
spokes = 36
"""


def test_a_good_text_becomes_the_model() -> None:
    bicycle = parse(Bicycle, GOOD, "b.toml", SourceError)
    assert bicycle.wheel[1].spokes == 36
    assert bicycle.road.length_km == 12.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("spokes = 36", "spokes = 2", "b.toml:15: wheel[2].spokes: must be 3 or more (is 2)"),
        ("spokes = 36", "spokes = 100", "b.toml:15: wheel[2].spokes: must be less than 100 (is 100)"),
        ("spokes = 36", "spokes = true", "b.toml:15: wheel[2].spokes: must be a whole number (is true)"),
        ("spokes = 36", "spokes = 36.0", "b.toml:15: wheel[2].spokes: must be a whole number (is 36.0)"),
        ("spokes = 36", 'spokes = "36"', 'b.toml:15: wheel[2].spokes: must be a whole number (is "36")'),
        ("spokes = 36", "", "b.toml:13: wheel[2].spokes: missing; add this field"),
        (
            "spokes = 36",
            "spoke = 36",
            "b.toml:15: wheel[2].spoke: there is no such field; did you mean spokes?",
        ),
        (
            "spokes = 36",
            "spokes = 36\nxyz = 1",
            "b.toml:16: wheel[2].xyz: there is no such field; the fields here are name, spokes",
        ),
        (
            'name = "rear"',
            'name = "rear wheel"',
            "b.toml:14: wheel[2].name: must be letters, digits and . _ + - and begin with a letter or digit",
        ),
        ('title = "tourer"', "title = 5", "b.toml:1: title: must be text in quotes (is 5)"),
        ("length_km = 12 ", "length_km = nan", "b.toml:4: road.length_km: must be a finite number (is nan)"),
        ("length_km = 12 ", "length_km = inf", "b.toml:4: road.length_km: must be a finite number (is inf)"),
        ("length_km = 12 ", "length_km = true", "b.toml:4: road.length_km: must be a number (is true)"),
        ("length_km = 12 ", 'length_km = "1"', 'b.toml:4: road.length_km: must be a number (is "1")'),
        ("length_km = 12 ", "length_km = 0", "b.toml:4: road.length_km: must be greater than 0 (is 0)"),
        ("length_km = 12 ", "length_km = 51", "b.toml:4: road.length_km: must be 50 or less (is 51)"),
        ("low = 1", "low = true", "b.toml:7: gears.low: must be a whole number (is true)"),
        ("low = 1", '"lo-w" = 1', 'b.toml:7: gears.lo-w: must be letters, digits and _ (is "lo-w")'),
        (
            "[road]",
            "[[road]]",
            "b.toml:3: road: must be a table; write [road] and its fields below (is [{'leng",
        ),
        ("[road]", "[rode]", "b.toml:3: rode: there is no such field; did you mean road?"),
        ("[road]\nlength_km = 12 ", "", "b.toml:1: road: missing; add the table [road]"),
        (
            'title = "tourer"',
            'title = "tourer"\nbell = 5',
            "b.toml:2: bell: must be a table; write [bell] and its fields below (is 5)",
        ),
        (
            "[gears]\nlow = 1",
            "[[gears]]\nlow = 1",
            "b.toml:6: gears: must be a table; write [gears] and NAME = number below (is [{'low': 1}])",
        ),
        (
            'title = "tourer"',
            'title = "tourer"\n"a\\nb" = 5',
            'b.toml:2: "a\\nb": there is no such field; the fields here are title, road, bell, gears, wheel',
        ),
    ],
)
def test_an_error_names_line_field_value_and_remedy(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SourceError) as wrong:
        parse(Bicycle, GOOD.replace(old, new), "b.toml", SourceError)
    assert str(wrong.value).startswith(message)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'wheel = 5\ntitle = "x"',
            "b.toml:1: wheel: must be a list of tables; write [[wheel]] before each (is 5)",
        ),
        ("wheel = [5]", "b.toml:1: wheel[1]: must be a table; write [[wheel]] and its fields below (is 5)"),
    ],
)
def test_a_list_of_tables_is_asked_for_in_toml(text: str, message: str) -> None:
    with pytest.raises(SourceError) as wrong:
        parse(Bicycle, text, "b.toml", SourceError)
    assert str(wrong.value) == message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\n[b\n", 2),
        ("a = 1\n\na = 2\n", 3),
        ('a = """never\nclosed\n', 3),
        ("a = [1,\n2", 2),
        ("a = \x00", 1),
        ("a = " + "9" * 5000, 1),
        ("a = " + "[" * 100_000, 1),
    ],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(SourceError, match=rf"^b\.toml:{line}: not valid TOML: "):
        parse(Bicycle, text, "b.toml", SourceError)


def test_of_several_faults_the_first_in_the_file_is_named() -> None:
    text = GOOD.replace("spokes = 32", "spokes = 0").replace('title = "tourer"', "title = 0")
    with pytest.raises(SourceError, match=r"^b\.toml:1: title: "):
        parse(Bicycle, text, "b.toml", SourceError)


def test_a_fault_raised_by_a_model_may_lie_deeper_in_it() -> None:
    class Shed(Table):
        wheel: tuple[Wheel, ...]

        def model_post_init(self, _context: object) -> None:
            raise fault(("wheel", 0, "name"), "braces {} and all")

    with pytest.raises(SourceError, match=r"^s\.toml:2: wheel\[1\]\.name: braces {} and all$"):
        parse(Shed, '[[wheel]]\nname = "front"\nspokes = 32\n', "s.toml", SourceError)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_line_is_the_one_where_the_value_ends(newline: str) -> None:
    text = newline.join(["a = [", "  1,", "  2,", "]", "[t]", "b.c = '''", "x'''", "[[u]]", "[[u]]", "d = 1"])
    assert line_of(text, ("a",)) == 4
    assert line_of(text, ("t",)) == 5
    assert line_of(text, ("t", "b", "c")) == 7
    assert line_of(text, ("u", 0)) == 8
    assert line_of(text, ("u", 1, "d")) == 10


def test_what_is_not_in_the_text_is_placed_at_its_parent() -> None:
    assert line_of("a = 1\n[t]\nb = 2\n", ("t", "missing")) == 2
    assert line_of("a = 1\n", ("missing", 3)) == 1


def test_a_path_is_written_as_a_user_counts() -> None:
    assert dotted(("line", 1, "downscaling")) == "line[2].downscaling"
    assert dotted(("a b", "c")) == '"a b".c'


def test_a_value_made_without_a_text_has_no_line() -> None:
    assert place("", "menu x", ("line", 0)) == "menu x: line[1]"
    assert place("a = 1", "x.toml", ()) == "x.toml:1"


def test_a_long_value_is_cut_short() -> None:
    assert shown("x" * 1000) == '"' + "x" * 56 + "..."
