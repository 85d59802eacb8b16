from __future__ import annotations

import pytest

from streams.catalogue import load_experiment, load_menu, names
from trigger.menu import Menu, MenuError

NA62 = load_experiment("na62")

TEXT = """\
name = "small"
experiment = "na62"

[l0]
reference = "RICH"
fine_time_bits = 2
time_cut_lsb = 64

[control]
detector = "CHOD"
condition = "CHOD"
downscaling = 400

[[line]]
name = "PNN"
condition = "RICH & Q1 & UTMC & !QX & !M1 & !LKr30"
downscaling = 1

[[line]]
name = "Non-mu"
condition = "RICH & Q1 & !M1"
downscaling = 200
"""

A_LINE = '[[line]]\nname = "MT"\ncondition = "RICH & QX"\ndownscaling = 100\n'

NAME_RULE = "must be letters, digits and . _ + - and begin with a letter or digit"


def checked(text: str) -> Menu:
    menu = Menu.from_toml(text, "menus/x.toml")
    menu.check(NA62, text, "menus/x.toml")
    return menu


def test_a_menu_has_its_lines_in_the_order_of_the_file() -> None:
    menu = checked(TEXT)
    assert [(line.name, line.downscaling) for line in menu.line] == [("PNN", 1), ("Non-mu", 200)]
    assert menu.control is not None
    assert (menu.control.name, menu.control.detector, menu.control.downscaling) == ("Control", "CHOD", 400)
    assert menu.l0.slot_lsb == 64


def test_adding_a_line_is_an_edit_of_four_lines() -> None:
    assert A_LINE.count("\n") == 4
    assert [line.name for line in checked(TEXT + A_LINE).line] == ["PNN", "Non-mu", "MT"]


def test_the_control_trigger_is_optional() -> None:
    start, stop = TEXT.index("[control]"), TEXT.index("[[line]]")
    assert checked(TEXT[:start] + TEXT[stop:]).control is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "must be 1 or more, 1 keeps all (is 0)"),
        ("-1", "must be 1 or more, 1 keeps all (is -1)"),
        ("0.5", "must be a whole number, n keeps 1 in n (is 0.5)"),
        ("200.0", "must be a whole number, n keeps 1 in n (is 200.0)"),
        ("true", "must be a whole number, n keeps 1 in n (is true)"),
        ('"200"', 'must be a whole number, n keeps 1 in n (is "200")'),
        ("[]", "must be a whole number, n keeps 1 in n (is [])"),
        ("4294967297", "must be {widest} or less, its register has {bits} bits (is 4294967297)"),
    ],
)
@pytest.mark.parametrize(
    ("old", "place", "bits"),
    [("200", "22: line[2]", 32), ("400", "12: control", 16)],
    ids=["line", "control"],
)
def test_a_wrong_downscaling_is_named_with_its_place(
    value: str, message: str, old: str, place: str, bits: int
) -> None:
    with pytest.raises(MenuError) as wrong:
        checked(TEXT.replace(f"downscaling = {old}", f"downscaling = {value}"))
    wanted = message.format(widest=2**bits, bits=bits)
    assert str(wrong.value) == f"menus/x.toml:{place}.downscaling: {wanted}"


def test_the_widest_downscalings_fit_their_registers() -> None:
    menu = checked(TEXT.replace("= 200", f"= {2**32}").replace("= 400", f"= {2**16}"))
    assert menu.line[1].downscaling == 2**32
    with pytest.raises(MenuError, match="must be 65536 or less, its register has 16 bits"):
        checked(TEXT.replace("= 400", f"= {2**16 + 1}"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("downscaling = 200\n", "", "19: line[2].downscaling: missing; add this field"),
        (
            "downscaling = 200",
            "prescale = 200",
            "22: line[2].prescale: there is no such field; the fields here are name, condition, ",
        ),
        ('"Non-mu"', '"PNN"', "20: line[2].name: 'PNN' is the name of line 1; choose another"),
        ('"Non-mu"', '"Control"', "20: line[2].name: 'Control' is the name of the control trigger; "),
        ('"Non-mu"', '""', f'20: line[2].name: {NAME_RULE} (is "")'),
        ('"Non-mu"', '"Non mu"', f'20: line[2].name: {NAME_RULE} (is "Non mu")'),
        ('"Non-mu"', '"../up"', f'20: line[2].name: {NAME_RULE} (is "../up")'),
        ('"Non-mu"', '"Non\\nmu"', f'20: line[2].name: {NAME_RULE} (is "Non\\nmu")'),
        ('"Non-mu"', '"mu\\n"', f'20: line[2].name: {NAME_RULE} (is "mu\\n")'),
        ('"Non-mu"', "5", "20: line[2].name: must be text in quotes (is 5)"),
        ('"small"', '"a b"', f'1: name: {NAME_RULE} (is "a b")'),
        ('"na62"', '"koto"', "2: experiment: a menu for another experiment: it is for koto, this is na62"),
        ('"RICH"\n', '"RHIC"\n', "5: l0.reference: na62 has no detector 'RHIC'; did you mean RICH?"),
        (
            'r = "CHOD"',
            'r = "CEDAR"',
            "10: control.detector: na62 has no detector 'CEDAR'; known are CHOD, RICH, ",
        ),
        ("fine_time_bits = 2", "fine_time_bits = 4", "6: l0.fine_time_bits: must be 3 or less (is 4)"),
        ("fine_time_bits = 2", "fine_time_bits = -1", "6: l0.fine_time_bits: must be 0 or more (is -1)"),
        ("fine_time_bits = 2", "fine_time_bits = true", "6: l0.fine_time_bits: must be a whole number ("),
        ("time_cut_lsb = 64", "time_cut_lsb = 0", "7: l0.time_cut_lsb: must be 1 or more (is 0)"),
        ("time_cut_lsb = 64", "time_cut_lsb = 32768", "7: l0.time_cut_lsb: must be 32767 or less (is 32768)"),
        (
            "time_cut_lsb = 64",
            "time_cut_lsb = 64\ntime_cuts_lsb = { MUV3 = 0 }",
            "8: l0.time_cuts_lsb.MUV3: must be 1 or more (is 0)",
        ),
        (
            "time_cut_lsb = 64",
            "time_cut_lsb = 64\ntime_cuts_lsb.MUV3 = 9\ntime_cuts_lsb.MUV4 = 9",
            "9: l0.time_cuts_lsb.MUV4: na62 has no detector 'MUV4'; did you mean MUV3?",
        ),
        (
            "time_cut_lsb = 64",
            "time_cut_lsb = 64\nignore_until_tick = -1",
            "8: l0.ignore_until_tick: must be 0 or more (is -1)",
        ),
        ("[l0]", "[l00]", "4: l00: there is no such field; did you mean l0?"),
        (TEXT[TEXT.index("[l0]") : TEXT.index("[control]")], "", "1: l0: missing; add the table [l0]"),
        ("[control]", "[[control]]", "9: control: must be a table; write [control] and its fields "),
        ("[control]", "[control", "9: not valid TOML: "),
        ("downscaling = 200", "downscaling = 200\ndownscaling = 100", "23: not valid TOML: "),
        (
            TEXT[TEXT.index("[[line]]") :],
            "",
            "1: line: the menu has no lines; add [[line]] with name, condition and downscaling",
        ),
        (
            TEXT[TEXT.index("[[line]]") :],
            "[line]\nname = 'MT'",
            "14: line: must be a list of tables; write [[line]] before each (is {'name': 'MT'})",
        ),
    ],
)
def test_a_menu_error_names_file_line_field_value_and_remedy(old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(MenuError) as wrong:
        checked(TEXT.replace(old, new))
    assert str(wrong.value).startswith(f"menus/x.toml:{message}")
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "",
            "is empty and would fire on every entry; if that is meant, write the bit of the detector ",
        ),
        (
            "RICH | QX",
            "| at column 6: one mask has no OR: use two lines, or a primitive bit that is itself an OR ",
        ),
        ("RICH & (Q1 & QX)", "( at column 8: there is nothing to group without OR; write the terms without "),
        (
            "RICH & !(Q1 & QX)",
            "( at column 9: !(A & B) is an OR of vetoes, and one mask has no OR: use two lines",
        ),
        ("RICH and QX", "and at column 6: write & (is "),
        ("RICH & QX & !QX", "QX and !QX require and veto the same bit (NewCHOD bit 2): it can never fire; "),
        ("RICH & RICH", "RICH is written twice; leave one out (is "),
        ("RICH & LKr31", "unknown condition 'LKr31'; did you mean LKr30 or "),
        ("RICH & nQX", "unknown condition 'nQX'; write !QX for a veto (is "),
        (
            "RICH # QX",
            "# at column 6 is not allowed; write terms joined by &, with ! in front of a veto (is ",
        ),
    ],
)
@pytest.mark.parametrize(
    ("old", "place"), [("RICH & Q1 & !M1", "21: line[2].condition"), ('"CHOD"\nd', "11: control.condition")]
)
def test_a_wrong_condition_is_placed_and_repeated(condition: str, message: str, old: str, place: str) -> None:
    new = f'"{condition}"\nd' if "\n" in old else condition
    with pytest.raises(MenuError) as wrong:
        checked(TEXT.replace(old, new))
    assert str(wrong.value).startswith(f"menus/x.toml:{place}: {message}")
    assert str(wrong.value).endswith(f'(is "{condition}")')


def test_an_ambiguous_short_name_is_an_error_with_the_full_names() -> None:
    muv3 = NA62.find("MUV3")
    twin = muv3.model_copy(update={"bits": {**muv3.bits, "Q1": 9}})
    detectors = tuple(twin if d == muv3 else d for d in NA62.detector)
    experiment = NA62.model_copy(update={"detector": detectors})
    with pytest.raises(
        MenuError, match=r"x:16: line\[1\]\.condition: 'Q1' is ambiguous; write MUV3.Q1 or NewCHOD.Q1"
    ):
        Menu.from_toml(TEXT, "x").check(experiment, TEXT, "x")


def test_a_menu_fills_sixteen_masks_and_no_more() -> None:
    more = "".join(A_LINE.replace("MT", f"MT{i}") for i in range(14))
    assert len(checked(TEXT + more).line) == 16
    with pytest.raises(
        MenuError, match=r"x.toml:79: line\[17\]: the processor has 16 masks, one a line; remove 1"
    ):
        checked(TEXT + more + A_LINE)


def test_a_menu_checked_without_its_text_is_named_by_its_name() -> None:
    menu = Menu.from_toml(TEXT.replace("Q1 & !M1", "Q1 & !M7"), "x.toml")
    with pytest.raises(MenuError, match=r"^menu small: line\[2\]\.condition: unknown condition 'M7'"):
        menu.check(NA62)


def test_the_hash_is_of_the_content_and_not_of_its_spelling() -> None:
    other = """\
    # a comment
    experiment = 'na62'
    name = 'small'
    control = { downscaling = 400, condition = "CHOD", detector = "CHOD", name = "Control" }
    l0 = { time_cut_lsb = 0x40, reference = "RICH", fine_time_bits = 2, time_cuts_lsb = {} }
    line = [
      { condition = "RICH&Q1&UTMC&!QX&!M1&! LKr30", name = "PNN", downscaling = 1, description = "" },
      { name = "Non-mu", condition = "RICH & Q1 &  !M1", downscaling = 200 },
    ]
    """
    assert checked(other).hash == checked(TEXT).hash
    assert len(checked(TEXT).hash) == 64


def test_the_order_of_the_time_cuts_does_not_change_the_hash() -> None:
    one, other = (
        checked(TEXT.replace("time_cut_lsb = 64", f"time_cut_lsb = 64\ntime_cuts_lsb = {{ {cuts} }}"))
        for cuts in ("LKr = 50, MUV3 = 60", "MUV3 = 60, LKr = 50")
    )
    assert one.hash == other.hash != checked(TEXT).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("downscaling = 200", "downscaling = 201"),
        ("downscaling = 400", "downscaling = 401"),
        ("& Q1 & !M1", "& Q1 & M1"),
        ("time_cut_lsb = 64", "time_cut_lsb = 63"),
        ("time_cut_lsb = 64", "time_cut_lsb = 64\nignore_until_tick = 0"),
        ('"Non-mu"', '"Nonmu"'),
        ('"small"', '"Small"'),
    ],
)
def test_any_change_of_content_changes_the_hash(old: str, new: str) -> None:
    assert old in TEXT
    assert checked(TEXT.replace(old, new)).hash != checked(TEXT).hash


DISPATCH = "\n[dispatch]\ndead_time_ticks = 3\nlatency_ticks = 3200\nchoke = [[1, 1.5], [1.5, 2.0]]\n"


def test_what_the_board_loses_is_optional_and_part_of_the_hash() -> None:
    assert checked(TEXT).dispatch is None
    menu = checked(TEXT + DISPATCH)
    assert menu.dispatch is not None
    assert (menu.dispatch.dead_time_ticks, menu.dispatch.latency_ticks) == (3, 3200)
    assert menu.dispatch.choke == ((1.0, 1.5), (1.5, 2.0))
    hashes = {checked(TEXT + more).hash for more in ("", "[dispatch]\n", DISPATCH)}
    assert len(hashes) == 3


def test_a_menu_without_dispatch_has_the_hash_that_it_always_had() -> None:
    assert checked(TEXT).hash == "ed7543d84c7d66181ab03b51c220c2c9497939e996ea8aa7b074fb27a28fd3ad"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dead_time_ticks", "-1", "must be 0 or more (is -1)"),
        ("dead_time_ticks", "2.5", "must be a whole number (is 2.5)"),
        ("dead_time_ticks", "2147483648", "must be 2147483647 or less (is 2147483648)"),
        ("latency_ticks", "32768", "must be 32767 or less (is 32768)"),
        ("latency_ticks", "true", "must be a whole number (is true)"),
        ("choke", "1.5", "must be a list of [from, to] in seconds (is 1.5)"),
        ("choke[1]", "[1.5]", "must be two numbers [from, to] in seconds (is 1.5)"),
        ("choke[2]", "[[0, 1], [2, 3, 4]]", "must be two numbers [from, to] in seconds (is [2, 3, 4])"),
        ("choke[1]", "[[true, 2]]", "must be two numbers [from, to] in seconds (is [True, 2])"),
        ("choke[1]", "[[1, nan]]", "must be two numbers [from, to] in seconds (is [1, nan])"),
        ("choke[1]", "[[1, inf]]", "must be two numbers [from, to] in seconds (is [1, inf])"),
        ("choke[1]", "[[-1, 2]]", "must lie between 0 and 53.6 s, the board's clock (is [-1, 2])"),
        ("choke[1]", "[[1, 54]]", "must lie between 0 and 53.6 s, the board's clock (is [1, 54])"),
        ("choke[1]", "[[2, 2]]", "must begin before it ends (is [2, 2])"),
        ("choke[2]", "[[1, 3], [2, 4]]", "must not begin before the one above it ends, at 3 s (is [2, 4])"),
        ("choke[2]", "[[3, 4], [1, 2]]", "must not begin before the one above it ends, at 4 s (is [1, 2])"),
        ("chokes", "[]", "there is no such field; did you mean choke?"),
    ],
)
def test_a_wrong_dispatch_setting_is_named_with_its_place(field: str, value: str, message: str) -> None:
    with pytest.raises(MenuError) as wrong:
        checked(f"{TEXT}\n[dispatch]\n{field.partition('[')[0]} = {value}\n")
    assert str(wrong.value) == f"menus/x.toml:{TEXT.count(chr(10)) + 3}: dispatch.{field}: {message}"


@pytest.mark.parametrize("name", names("menus"))
def test_every_shipped_menu_is_good_and_named_as_its_file(name: str) -> None:
    menu, experiment = load_menu(name)
    assert menu.name == name
    assert menu.experiment == experiment.name


def test_the_na62_menu_of_2018_has_the_lines_and_downscalings_of_its_sources() -> None:
    menu, _ = load_menu("na62-2018")
    assert {line.name: (line.condition, line.downscaling) for line in menu.line} == {
        "PNN": ("RICH & Q1 & UTMC & !QX & !M1 & !LKr30", 1),
        "Non-mu": ("RICH & Q1 & !M1", 200),
        "MT": ("RICH & QX", 100),
        "2muMT": ("RICH & QX & MO2", 2),
        "eMT": ("RICH & QX & LKr20", 8),
        "mueMT": ("RICH & QX & MO1 & LKr10", 8),
        "DV-mu": ("RICH & Q2 & MO1 & LKr10", 5),
        "DV-2mu": ("RICH & Q2 & MO2 & !LKr20", 2),
        "MinBias": ("RICH", 10000),
    }
    assert menu.control is not None
    assert (menu.control.detector, menu.control.downscaling) == ("CHOD", 400)
    assert (menu.l0.reference, menu.l0.fine_time_bits, menu.l0.time_cut_lsb) == ("RICH", 2, 64)
