"""What a menu says of L1: the shipped chains, how an algorithm is written, faults with their places."""

from __future__ import annotations

import re

import pytest
from l1_menu_text import CHAINS, L1_LINE, STEPS_LINE, TEXT, made, with_settings, with_steps, without_l1

from streams.catalogue import load_menu
from trigger.l1.algorithms import ALGORITHMS, MAX_STEPS, WINDOWS_NS
from trigger.l1.settings import L1Settings, read_step
from trigger.menu import MenuError
from trigger.menu_diff import diff_menus


def fault_of(text: str) -> str:
    with pytest.raises(MenuError) as wrong:
        made(text)
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


def settings_of(name: str) -> L1Settings:
    menu, _ = load_menu(name)
    assert menu.l1 is not None
    return menu.l1


@pytest.mark.parametrize("name", ["na62-2018", "na62-hlt-default"])
def test_the_shipped_menus_have_the_chains_of_their_sources(name: str) -> None:
    menu, _ = load_menu(name)
    assert {line.name: [step.run for step in line.l1] for line in menu.line} == CHAINS
    assert {step.downscaling for line in menu.line for step in line.l1} == {1}
    assert {line.l1_reduction for line in menu.line} == {1}
    assert settings_of(name).straw == "refit"


def test_the_shipped_menus_differ_in_windows_and_autopass_only() -> None:
    of_2018, default = settings_of("na62-2018"), settings_of("na62-hlt-default")
    assert {name: of_2018.window_ns(name) for name in WINDOWS_NS} == {
        "CHOD": 10.0, "KTAG": 5.0, "LAV": 6.0, "IRCSAC": 20.0, "MUV3": 10.0, "NewCHOD": 10.0,
    }  # fmt: skip
    assert {name: default.window_ns(name) for name in WINDOWS_NS} == {
        "CHOD": 10.0, "KTAG": 10.0, "LAV": 20.0, "IRCSAC": 20.0, "MUV3": 10.0, "NewCHOD": 10.0,
    }  # fmt: skip
    assert (of_2018.autopass, default.autopass) == (0, 10)
    assert of_2018.thresholds == default.thresholds
    found = diff_menus(load_menu("na62-2018"), load_menu("na62-hlt-default"))
    assert {change.field for change in found.settings} == {
        "name", "l1.windows_ns.KTAG", "l1.windows_ns.LAV", "l1.autopass",
    }  # fmt: skip
    assert found.lines == ()


def test_the_defaults_are_those_of_the_experiments_code() -> None:
    settings = L1Settings()
    assert (settings.reduction, settings.downscaling, settings.bypass_probability) == (1, 1, 0.0)
    assert (settings.flag_mode, settings.autopass) == (False, 0)
    assert settings.thresholds.model_dump() == {
        "ktag_sectors": 5, "chod_hits": 5, "newchod_pairs": 3, "newchod_pair_ns": 5.0, "lav_hits": 3,
        "ircsac_hits": 1, "muv3_tight_ns": 50.0, "muv3_opposite_ns": 10.0, "straw_pnn_gev": 50.0,
        "straw_one_track_gev": 65.0, "straw_vertex_m": 180.0,
    }  # fmt: skip
    assert ALGORITHMS == {
        "CHOD": 0, "KTAG": 2, "LAV": 3, "IRCSAC": 4, "STRAW": 5, "MUV3": 6, "NewCHOD": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name", "variant", "veto", "flag"),
    [
        ("KTAG", "KTAG", 0, False, False),
        ("!LAV", "LAV", 0, True, False),
        ("?CHOD", "CHOD", 0, False, True),
        ("?!NewCHOD", "NewCHOD", 0, True, True),
        (" ? ! IRCSAC ", "IRCSAC", 0, True, True),
        ("MUV3(tight)", "MUV3", 0, False, False),
        ("MUV3(opposite)", "MUV3", 1, False, False),
        ("!MUV3 ( multiplicity )", "MUV3", 2, True, False),
        ("STRAW(pnn)", "STRAW", 1, False, False),
        ("STRAW(exotic)", "STRAW", 2, False, False),
        ("STRAW(multi-track)", "STRAW", 4, False, False),
        ("STRAW(dv-loose)", "STRAW", 8, False, False),
        ("STRAW(dv-tight)", "STRAW", 16, False, False),
        ("STRAW(one-track)", "STRAW", 32, False, False),
        ("STRAW(one-track+pnn)", "STRAW", 33, False, False),
        ("STRAW( exotic + dv-loose )", "STRAW", 10, False, False),
    ],
)
def test_an_algorithm_is_read_from_words(text: str, name: str, variant: int, veto: bool, flag: bool) -> None:
    call = read_step(text)
    assert (call.name, call.variant, call.veto, call.flag) == (name, variant, veto, flag)


def test_a_step_may_be_a_table_and_say_its_downscaling() -> None:
    menu = made(with_steps('["KTAG", { run = "!LAV", downscaling = 7 }]'))
    assert [(step.run, step.downscaling) for step in menu.line[0].l1] == [("KTAG", 1), ("!LAV", 7)]
    assert made(with_steps('[{ run = "KTAG" }]')) == made(TEXT)


NO_STEP = "is no algorithm; write KTAG, !LAV for a veto, ?KTAG for a flag, STRAW(pnn)"
KNOWN = "there are CHOD, KTAG, LAV, IRCSAC, STRAW, MUV3, NewCHOD"
BITS = (
    "STRAW needs one of pnn, exotic, multi-track, dv-loose, dv-tight, one-track joined by +; write STRAW(pnn)"
)
KINDS = "MUV3 needs one of tight, opposite, multiplicity; write MUV3(tight)"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("", NO_STEP),
        ("KTAG & LAV", NO_STEP),
        ("!?LAV", NO_STEP),
        ("!!LAV", NO_STEP),
        ("KTAG(", NO_STEP),
        ("(KTAG)", NO_STEP),
        ("STRAW(pnn)(exotic)", NO_STEP),
        ("KTAX", f"KTAX is no algorithm of L1; {KNOWN}"),
        ("ktag", f"ktag is no algorithm of L1; {KNOWN}"),
        ("RICH", f"RICH is no algorithm of L1; {KNOWN}"),
        ("LKr", f"LKr is no algorithm of L1; {KNOWN}"),
        ("!LAV(tight)", "LAV has no variants; write LAV"),
        ("KTAG()", "KTAG has no variants; write KTAG"),
        ("STRAW", BITS),
        ("STRAW()", BITS),
        ("STRAW(pn)", BITS),
        ("STRAW(pnn+)", BITS),
        ("STRAW(1)", BITS),
        ("STRAW(tight)", BITS),
        ("MUV3", KINDS),
        ("MUV3(loose)", KINDS),
        ("MUV3(pnn)", KINDS),
        ("MUV3(tight+opposite)", "MUV3 has one variant at a time; write it as a step of its own"),
    ],
)
def test_a_step_that_is_wrong_is_named_with_its_place_and_repeated(step: str, message: str) -> None:
    found = fault_of(with_steps(f'["KTAG", "{step}"]'))
    assert re.match(rf"menus/x\.toml:{STEPS_LINE}: line\[1\]\.l1\[2\](\.run)?: ", found)
    assert found.endswith(f'{message} (is "{step}")')


@pytest.mark.parametrize(
    ("steps", "place", "message"),
    [
        ('[{ run = "KTAG", downscaling = 0 }]', "[1].downscaling", "must be 1 or more (is 0)"),
        ('[{ run = "KTAG", downscaling = 1.5 }]', "[1].downscaling", "must be a whole number (is 1.5)"),
        ('[{ run = "KTAG", downscaling = true }]', "[1].downscaling", "must be a whole number (is true)"),
        (
            '["LAV", { run = "KTAG", downscaling = 2147483648 }]',
            "[2].downscaling",
            "must be 2147483647 or less (is 2147483648)",
        ),
        (
            '[{ run = "KTAG", downscale = 2 }]',
            "[1].downscale",
            "there is no such field; did you mean downscaling?",
        ),
        ("[{ downscaling = 2 }]", "[1].run", "missing; add this field"),
        ("[{ run = 5 }]", "[1].run", "must be text in quotes (is 5)"),
    ],
)
def test_a_step_as_a_table_that_is_wrong_is_named_with_its_place(
    steps: str, place: str, message: str
) -> None:
    assert fault_of(with_steps(steps)) == f"menus/x.toml:{STEPS_LINE}: line[1].l1{place}: {message}"


def test_a_line_has_ten_algorithms_and_no_more() -> None:
    assert MAX_STEPS == 10
    ten = ", ".join(['"KTAG"'] * 10)
    assert len(made(with_steps(f"[{ten}]")).line[0].l1) == 10
    assert fault_of(with_steps(f'[{ten}, "KTAG"]')).startswith(
        f"menus/x.toml:{STEPS_LINE}: line[1].l1: a line has at most 10 algorithms (has 11)"
    )


@pytest.mark.parametrize("steps", ['"KTAG"', "5", "[5]", '[["KTAG"]]', '{ run = "KTAG" }'])
def test_steps_of_a_wrong_shape_are_an_error_that_says_how_to_write_them(steps: str) -> None:
    found = fault_of(with_steps(steps))
    assert found.startswith(f"menus/x.toml:{STEPS_LINE}: line[1].l1")
    assert "[[" not in found.partition("(is ")[0]
    assert '"KTAG"' in found.partition("(is ")[0]


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ('straw = "none"', "straw", '(is "none")'),
        ("straw = 1", "straw", "(is 1)"),
        ("straws = 1", "straws", "there is no such field; did you mean straw?"),
        ("windows_ns = 5", "windows_ns", "write [l1.windows_ns] and NAME = number below (is 5)"),
        (
            "windows_ns = { STRAW = 5 }",
            "windows_ns.STRAW",
            "there is no window of STRAW; there are CHOD, KTAG, LAV, IRCSAC, MUV3, NewCHOD",
        ),
        ("windows_ns = { KTAG = 0 }", "windows_ns.KTAG", "must be greater than 0 (is 0)"),
        ("windows_ns = { KTAG = -1.5 }", "windows_ns.KTAG", "must be greater than 0 (is -1.5)"),
        ("windows_ns = { KTAG = 1000.1 }", "windows_ns.KTAG", "must be 1000 or less (is 1000.1)"),
        ("windows_ns = { KTAG = nan }", "windows_ns.KTAG", "must be a finite number (is nan)"),
        ("windows_ns = { KTAG = inf }", "windows_ns.KTAG", "must be a finite number (is inf)"),
        ("windows_ns = { KTAG = [5] }", "windows_ns.KTAG", "must be a number (is [5])"),
        ("thresholds = 5", "thresholds", "write [l1.thresholds] and its fields below (is 5)"),
        ("thresholds = { ktag_sectors = 9 }", "thresholds.ktag_sectors", "must be 8 or less (is 9)"),
        ("thresholds = { lav_hits = 0 }", "thresholds.lav_hits", "must be 1 or more (is 0)"),
        ("thresholds = { chod_hits = 2.5 }", "thresholds.chod_hits", "must be a whole number (is 2.5)"),
        (
            "thresholds = { muv3_tight_ns = 0 }",
            "thresholds.muv3_tight_ns",
            "must be greater than 0 (is 0)",
        ),
        (
            "thresholds = { lav_hit = 2 }",
            "thresholds.lav_hit",
            "there is no such field; did you mean lav_hits?",
        ),
        ("autopass = -1", "autopass", "must be 0 or more (is -1)"),
        ("autopass = 2147483648", "autopass", "must be 2147483647 or less (is 2147483648)"),
        ("reduction = 0", "reduction", "must be 1 or more (is 0)"),
        ("downscaling = 1.5", "downscaling", "must be a whole number (is 1.5)"),
        ("bypass_probability = 1.5", "bypass_probability", "must be 1 or less (is 1.5)"),
        ("bypass_probability = -0.1", "bypass_probability", "must be 0 or more (is -0.1)"),
        ("bypass_probability = nan", "bypass_probability", "must be a finite number (is nan)"),
        ('flag_mode = "maybe"', "flag_mode", '(is "maybe")'),
        ("flag_mode = 3", "flag_mode", "(is 3)"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_its_place(settings: str, field: str, message: str) -> None:
    found = fault_of(with_settings(settings))
    assert found.startswith(f"menus/x.toml:{L1_LINE}: l1.{field}: ")
    assert found.endswith(message)


@pytest.mark.parametrize(
    "settings",
    [
        "windows_ns = { KTAG = true }",
        'windows_ns = { KTAG = "5" }',
        'thresholds = { muv3_tight_ns = "50" }',
        "thresholds = { straw_pnn_gev = true }",
        "bypass_probability = true",
        'bypass_probability = "0.5"',
        "flag_mode = 1",
        'flag_mode = "yes"',
    ],
)
def test_a_number_in_quotes_or_a_truth_value_in_its_place_is_wrong(settings: str) -> None:
    assert fault_of(with_settings(settings)).startswith(f"menus/x.toml:{L1_LINE}: l1.")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "must be 1 or more (is 0)"),
        ("true", "must be a whole number (is true)"),
        ("1.5", "must be a whole number (is 1.5)"),
    ],
)
def test_the_reduction_of_a_line_is_a_whole_number_from_1(value: str, message: str) -> None:
    text = TEXT.replace('l1 = ["KTAG"]', f"l1_reduction = {value}")
    assert fault_of(text) == f"menus/x.toml:{STEPS_LINE}: line[1].l1_reduction: {message}"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ('l1 = ["KTAG"]', "14: line[1].l1"),
        ("l1_reduction = 2", "14: line[1].l1_reduction"),
        ("l1 = []\nl1_reduction = 2", "15: line[1].l1_reduction"),
    ],
)
def test_a_line_with_algorithms_or_a_reduction_needs_the_table_of_l1(fields: str, place: str) -> None:
    text = without_l1(TEXT.replace('l1 = ["KTAG"]', fields))
    assert fault_of(text) == f"menus/x.toml:{place}: the menu has no L1; add the table [l1]"
