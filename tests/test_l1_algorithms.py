"""The simple algorithms of L1 at their exact edges, and against their naive twins on any hits."""

from __future__ import annotations

from typing import Any

import l1_cases
import naive_l1
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l1_cases import FRAME, MIDDLE, event, meets
from naive_l1 import TRAILING, Hit, NaiveEvent, Near

from trigger.clock import LSB_NS
from trigger.l1.processor import L1Processor
from trigger.menu import Menu

LSB_BELOW = {
    "KTAG": 102, "CHOD": 102, "NewCHOD": 102, "LAV": 205, "IRCSAC": 205,
    "MUV3(tight)": 102, "MUV3(opposite)": 102, "MUV3(multiplicity)": 102,
}  # fmt: skip
"""Largest whole number of LSB inside each window: 10 ns are 102.6 LSB, 20 ns 205.2."""

TIMES = (MIDDLE, 7 * FRAME, 7 * FRAME + 1, 8 * FRAME - 1, 8 * FRAME - 110, 0x8000 + FRAME)
"""Trigger times, so that windows lie inside a frame, across its borders, and at the sign of 16 bits."""

FIVE_SECTORS = (0, 48, 100, 200, 383)
LAV_CHANNELS = (512, 2048 + 10, 5630)


def lav_hits(*channels: int, lead: int = 0, trail: int = 30) -> list[tuple[int, int]]:
    """Leading and trailing edges of channels."""
    return [(t, c + edge) for c in channels for t, edge in ((lead, 0), (trail, TRAILING))]


def signal(step: str, since: int, time: int = MIDDLE) -> NaiveEvent:
    """The event with the fewest hits that meets a condition, all of them at one time."""
    rows: dict[str, list[tuple[int, int]]] = {
        "KTAG": [(since, i) for i in FIVE_SECTORS],
        "CHOD": [(since, 127)],
        "NewCHOD": [(since, 149), (since, 199)],
        "LAV": lav_hits(*LAV_CHANNELS, lead=since, trail=since + 300),
        "IRCSAC": lav_hits(126, lead=since, trail=since + 300),
        "MUV3(tight)": [(since, 151), (since, 351)],
        "MUV3(opposite)": [(since, 5), (since, 6)],
        "MUV3(multiplicity)": [(since, 0), (since, 13)],
    }
    return event({step.partition("(")[0]: rows[step]}, time)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("step", LSB_BELOW)
def test_a_window_ends_one_lsb_behind_its_last_at_any_place_of_a_frame(step: str, time: int) -> None:
    last = LSB_BELOW[step]
    for since in (0, last, -last):
        assert meets(step, signal(step, since, time)), since
        assert not meets("!" + step, signal(step, since, time)), since
    for since in (last + 1, -last - 1):
        assert not meets(step, signal(step, since, time)), since
        assert meets("!" + step, signal(step, since, time)), since


@pytest.mark.parametrize("step", LSB_BELOW)
def test_a_time_at_the_very_edge_of_a_window_is_outside(step: str) -> None:
    """For windows of a whole number of LSB."""
    width = next(k for k in range(40, 60) if k * LSB_NS / LSB_NS == k)
    windows = {"windows_ns": {step.partition("(")[0]: width * LSB_NS}}
    for sign in (-1, 1):
        assert meets(step, signal(step, sign * (width - 1)), **windows)
        assert not meets(step, signal(step, sign * width), **windows)


@pytest.mark.parametrize("step", LSB_BELOW)
def test_without_hits_no_condition_is_met_and_every_veto_is(step: str) -> None:
    assert not meets(step, event())
    assert meets("!" + step, event())


@pytest.mark.parametrize("step", LSB_BELOW)
def test_missing_hits_make_a_condition_false_whatever_is_there(step: str) -> None:
    one = signal(step, 0)
    one.missing = {step.partition("(")[0]}
    assert not meets(step, one)
    assert meets("!" + step, one)
    one.missing = {*naive_l1.DETECTORS} - one.missing
    assert meets(step, one)


@pytest.mark.parametrize("step", LSB_BELOW)
def test_hits_of_the_events_beside_it_are_not_an_events_own(step: str) -> None:
    """Events share one array of words."""
    three = [signal(step, 0, MIDDLE), event(time=MIDDLE), signal(step, 0, MIDDLE)]
    found, answers = L1Processor(l1_cases.menu([step])).process(
        l1_cases.events_of(three), np.ones(3, np.uint16), np.ones(3, np.uint8)
    )
    assert found.words.tolist() == [1, 0, 1]
    assert (answers.value != 0).tolist() == [True, False, True]


def test_a_kaon_is_five_sectors_and_four_are_none() -> None:
    assert not meets("KTAG", event({"KTAG": [(0, i) for i in FIVE_SECTORS[:4]]}))
    again = [*FIVE_SECTORS[:4], *(47, 95, 143, 239)]
    assert not meets("KTAG", event({"KTAG": [(0, i) for i in again]}))
    assert meets("KTAG", event({"KTAG": [(0, i) for i in (*again, 383)]}))
    assert meets("KTAG", event({"KTAG": [(0, 48 * s) for s in range(8)]}))


def test_a_sector_is_lit_by_leading_edges_of_its_own_tubes_only() -> None:
    four = [(0, i) for i in FIVE_SECTORS[:4]]
    assert not meets("KTAG", event({"KTAG": [*four, (0, 383 + TRAILING)]}))
    assert not meets("KTAG", event({"KTAG": [*four, (0, 384)]}))


@pytest.mark.parametrize(("n", "met"), [(0, False), (1, True), (5, True), (6, False)])
def test_the_chod_wants_one_to_five_hits(n: int, met: bool) -> None:
    slabs = [(0, 10 * i) for i in range(n)]
    assert meets("CHOD", event({"CHOD": slabs})) is met
    assert meets("CHOD", event({"CHOD": [(0, 7)] * n})) is met
    assert meets("CHOD", event({"CHOD": [*slabs, (0, 128), (0, 3 + TRAILING), (200, 5)]})) is met


@pytest.mark.parametrize(("n", "met"), [(0, False), (1, True), (3, True), (4, False)])
def test_the_newchod_wants_one_to_three_pairs(n: int, met: bool) -> None:
    pairs = [(0, 100 + i + second) for i in range(n) for second in (0, 50)]
    assert meets("NewCHOD", event({"NewCHOD": pairs})) is met
    lonely = [(0, 240), (0, 190), (200, 401), (200, 451)]
    assert meets("NewCHOD", event({"NewCHOD": [*pairs, *lonely]})) is met


def test_each_pair_of_hits_of_a_tile_counts() -> None:
    assert meets("NewCHOD", event({"NewCHOD": [(0, 100), (1, 100), (2, 100), (0, 150)]}))
    assert not meets("NewCHOD", event({"NewCHOD": [(0, 100), (1, 100), (0, 150), (1, 150)]}))


def test_the_hits_of_a_newchod_pair_are_less_than_5_ns_apart() -> None:
    """5 ns are 51.3 LSB."""
    for first, second in ((100, 150), (150, 100)):
        assert meets("NewCHOD", event({"NewCHOD": [(0, first), (51, second)]}))
        assert not meets("NewCHOD", event({"NewCHOD": [(0, first), (52, second)]}))


@pytest.mark.parametrize("other", [50, 149, 151, 200, 250, 150 + TRAILING])
def test_a_newchod_pair_is_of_one_tile_and_quadrant(other: int) -> None:
    assert not meets("NewCHOD", event({"NewCHOD": [(0, 100), (0, other)]}))
    assert not meets("NewCHOD", event({"NewCHOD": [(0, 150), (0, 200)]}))


def test_both_hits_of_a_newchod_pair_are_in_the_window() -> None:
    assert meets("NewCHOD", event({"NewCHOD": [(102, 100), (101, 150)]}))
    for rows in ([(102, 100), (103, 150)], [(103, 100), (102, 150)]):
        assert not meets("NewCHOD", event({"NewCHOD": rows}))


def test_two_hits_pass_the_veto_of_the_lav_and_three_do_not() -> None:
    assert meets("!LAV", event({"LAV": lav_hits(*LAV_CHANNELS[:2])}))
    assert not meets("!LAV", event({"LAV": lav_hits(*LAV_CHANNELS)}))


@pytest.mark.parametrize(
    "third",
    [
        lav_hits(0),
        lav_hits(510),
        lav_hits(11 * 512),
        lav_hits(12 * 512 - 2),
        lav_hits(513),
        lav_hits(2059),
        lav_hits(1024, lead=-206),
        lav_hits(1024, lead=206, trail=400),
        lav_hits(1024, lead=30, trail=10),
        [(0, 1024)],
        [(0, 1024), (0, 1024)],
        [(30, 1024 + TRAILING)],
        [(0, 1024), (30, 1026 + TRAILING)],
        [(0, 1024), (30, 1025 + TRAILING)],
    ],
)
def test_what_is_no_hit_of_the_lav_does_not_veto(third: list[tuple[int, int]]) -> None:
    """Stations 1 and 12, odd channels, a leading edge out of time or behind the trailing one, an edge alone."""
    two = lav_hits(*LAV_CHANNELS[:2])
    assert meets("!LAV", event({"LAV": [*two, *third]}))
    assert not meets("!LAV", event({"LAV": [*two, *third, *lav_hits(1536)]}))


def test_the_trailing_edge_of_a_hit_may_be_outside_the_window() -> None:
    assert not meets("!LAV", event({"LAV": lav_hits(*LAV_CHANNELS, lead=205, trail=3000)}))


def test_a_channel_counts_once_for_each_trailing_edge() -> None:
    twice = [*lav_hits(512), *lav_hits(512, lead=40, trail=60)]
    assert meets("!LAV", event({"LAV": twice}))
    assert not meets("!LAV", event({"LAV": [*twice, *lav_hits(514)]}))
    assert not meets("!LAV", event({"LAV": [*twice, (70, 512 + TRAILING)]}))


@pytest.mark.parametrize("channel", [0, 62, 64, 126])
def test_one_hit_of_irc_or_sac_is_a_veto(channel: int) -> None:
    assert not meets("!IRCSAC", event({"IRCSAC": lav_hits(channel)}))


@pytest.mark.parametrize(
    "rows",
    [
        lav_hits(1),
        lav_hits(127),
        lav_hits(128),
        lav_hits(64, lead=206, trail=300),
        lav_hits(64, lead=20, trail=10),
        [(0, 64)],
        [(0, 64 + TRAILING)],
        [(0, 64), (30, 62 + TRAILING)],
    ],
)
def test_what_is_no_hit_of_irc_or_sac_does_not_veto(rows: list[tuple[int, int]]) -> None:
    assert meets("!IRCSAC", event({"IRCSAC": rows}))


def test_a_tight_hit_has_both_photomultipliers_less_than_50_ns_apart() -> None:
    """50 ns are 513.004 LSB; the mean is inside."""
    for first, second in ((0, 200), (200, 0), (151, 351)):
        assert meets("MUV3(tight)", event({"MUV3": [(-256, first), (257, second)]}))
        assert not meets("MUV3(tight)", event({"MUV3": [(-257, first), (257, second)]}))


def test_the_mean_of_a_tight_hit_is_in_the_window_and_its_hits_need_not_be() -> None:
    """10 ns are 102.6 LSB, so that a mean of 102.5 is inside."""
    for sign in (-1, 1):
        inside = [(sign * 350, 10), (sign * -145, 210)]
        outside = [(sign * 350, 10), (sign * -144, 210)]
        assert meets("MUV3(tight)", event({"MUV3": inside}))
        assert not meets("MUV3(tight)", event({"MUV3": outside}))


@pytest.mark.parametrize("other", [10, 209, 211, 410, 110, 210 + TRAILING])
def test_a_tight_hit_is_of_one_tile(other: int) -> None:
    assert not meets("MUV3(tight)", event({"MUV3": [(0, 10), (0, other)]}))


@pytest.mark.parametrize("ids", [(152, 352), (199, 399), (10 + TRAILING, 210 + TRAILING)])
def test_there_is_no_tight_hit_where_there_are_no_tiles(ids: tuple[int, int]) -> None:
    assert not meets("MUV3(tight)", event({"MUV3": [(0, i) for i in ids]}))


@pytest.mark.parametrize(
    ("ids", "met"),
    [
        ((5, 6), True),
        ((0, 143), True),
        ((205, 6), True),
        ((5, 206), True),
        ((132, 343), True),
        ((0, 5), False),
        ((6, 11), False),
        ((5, 12), False),
        ((0, 144), False),
        ((0, 151), False),
        ((0, 350), False),
        ((144, 151), False),
        ((0, 152), False),
        ((0, 199), False),
        ((0, 6 + TRAILING), False),
        ((TRAILING, 6), False),
    ],
)
def test_opposite_hits_are_of_outer_tiles_of_both_halves(ids: tuple[int, int], met: bool) -> None:
    assert meets("MUV3(opposite)", event({"MUV3": [(0, i) for i in ids]})) is met


def test_opposite_hits_are_both_in_the_window_and_less_than_10_ns_apart() -> None:
    for left, right in ((5, 6), (6, 5), (205, 206)):
        assert meets("MUV3(opposite)", event({"MUV3": [(-51, left), (51, right)]}))
        assert not meets("MUV3(opposite)", event({"MUV3": [(-51, left), (52, right)]}))
        assert meets("MUV3(opposite)", event({"MUV3": [(30, left), (102, right)]}))
        assert not meets("MUV3(opposite)", event({"MUV3": [(30, left), (103, right)]}))


@pytest.mark.parametrize(
    ("ids", "met"),
    [
        ((0,), False),
        ((0, 1), False),
        ((1, 0), False),
        ((0, 12), False),
        ((12, 0), False),
        ((0, 13), True),
        ((0, 2), True),
        ((0, 24), True),
        ((11, 12), True),
        ((131, 143), False),
        ((0, 200), False),
        ((200, 201), False),
        ((0, 212), False),
        ((0, 213), True),
        ((0, 1, 2), True),
        ((0, 1, 12), True),
        ((0, 1, 0, 1, 200), False),
        ((143, 144), False),
        ((0, 144), False),
        ((0, 1, 151), False),
        ((0, 1, 344), False),
        ((0, 1, 199), False),
        ((0, 13 + TRAILING), False),
    ],
)
def test_several_tiles_are_three_or_two_that_share_no_edge(ids: tuple[int, ...], met: bool) -> None:
    assert meets("MUV3(multiplicity)", event({"MUV3": [(0, i) for i in ids]})) is met


def test_all_hits_of_several_tiles_are_in_the_window() -> None:
    assert meets("MUV3(multiplicity)", event({"MUV3": [(-102, 0), (102, 13)]}))
    assert not meets("MUV3(multiplicity)", event({"MUV3": [(-102, 0), (103, 13)]}))
    assert not meets("MUV3(multiplicity)", event({"MUV3": [(0, 0), (0, 1), (103, 2)]}))


@pytest.mark.parametrize(
    ("step", "rows", "strict", "loose"),
    [
        ("KTAG", [(0, i) for i in (0, 48)], {"ktag_sectors": 3}, {"ktag_sectors": 2}),
        ("CHOD", [(0, i) for i in range(9)], {"chod_hits": 8}, {"chod_hits": 9}),
        ("NewCHOD", [(0, 100), (0, 150), (0, 150)], {"newchod_pairs": 1}, {"newchod_pairs": 2}),
        ("NewCHOD", [(0, 100), (20, 150)], {"newchod_pair_ns": 1.9}, {"newchod_pair_ns": 2.0}),
        ("LAV", lav_hits(512), {"lav_hits": 2}, {"lav_hits": 1}),
        ("IRCSAC", lav_hits(0, 2), {"ircsac_hits": 3}, {"ircsac_hits": 2}),
        ("MUV3(tight)", [(0, 3), (102, 203)], {"muv3_tight_ns": 9.9}, {"muv3_tight_ns": 10.0}),
        ("MUV3(opposite)", [(0, 5), (20, 6)], {"muv3_opposite_ns": 1.9}, {"muv3_opposite_ns": 2.0}),
    ],
)
def test_the_thresholds_of_a_menu_act(
    step: str, rows: list[tuple[int, int]], strict: dict[str, Any], loose: dict[str, Any]
) -> None:
    one = event({step.partition("(")[0]: rows})
    assert not meets(step, one, thresholds=strict)
    assert meets(step, one, thresholds=loose)


@pytest.mark.parametrize("step", LSB_BELOW)
def test_the_windows_of_a_menu_act_on_their_own_algorithm(step: str) -> None:
    detector = step.partition("(")[0]
    others = {name: 2.0 for name in l1_cases.IDS if name != detector}
    assert meets(step, signal(step, 50), windows_ns=others)
    assert not meets(step, signal(step, 50), windows_ns={detector: 4.8})
    assert meets(step, signal(step, 50), windows_ns={detector: 4.9})
    assert meets(step, signal(step, -10259), windows_ns={detector: 1000.0})


@st.composite
def some_hits(draw: st.DrawFn, detector: str) -> NaiveEvent:
    """Draw hits at edges of the detector's IDs and at times about those of windows and pairs."""
    since = st.sampled_from(l1_cases.SINCE) | st.integers(-40, 40)
    rows = draw(st.lists(st.tuples(since, st.sampled_from(l1_cases.IDS[detector])), max_size=12))
    return event({detector: rows}, draw(st.sampled_from(TIMES) | st.integers(600, 1 << 40)))


def with_random_settings(step: str, seed: int) -> Menu:
    return l1_cases.menu([step], **l1_cases.random_settings(np.random.default_rng(seed)))


@pytest.mark.parametrize("step", LSB_BELOW)
@settings(deadline=None, derandomize=True, max_examples=200)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_an_algorithm_agrees_with_its_twin_on_any_hits(step: str, data: st.DataObject, seed: int) -> None:
    detector = step.partition("(")[0]
    one, menu = data.draw(some_hits(detector)), with_random_settings(step, seed)
    assert menu.l1 is not None
    expected = naive_l1.ALGORITHMS[step](Near(one.hits[detector], one.time, menu.l1, detector))
    assert l1_cases.word_of(menu, one) == int(expected)


@pytest.mark.parametrize("step", LSB_BELOW)
def test_an_algorithm_agrees_with_its_twin_on_many_events_and_both_answers_are_common(step: str) -> None:
    detector, rng = step.partition("(")[0], np.random.default_rng([*step.encode()])
    answers = []
    for seed in range(10):
        menu = with_random_settings(step, seed)
        assert menu.l1 is not None
        many = [event({detector: l1_cases.random_rows(rng, detector)}, 1000 + 7919 * i) for i in range(40)]
        found, _ = L1Processor(menu).process(
            l1_cases.events_of(many), np.ones(40, np.uint16), np.ones(40, np.uint8)
        )
        nears = [Near(one.hits[detector], one.time, menu.l1, detector) for one in many]
        assert found.words.tolist() == [int(naive_l1.ALGORITHMS[step](near)) for near in nears]
        answers += found.words.tolist()
    assert 0.05 < np.mean(answers) < 0.95


def test_a_hit_of_the_lav_needs_its_leading_edge_earlier_in_the_stream_also_at_equal_times() -> None:
    leading, trailing = Hit(MIDDLE, 64), Hit(MIDDLE, 64 + TRAILING)
    for rows, vetoed in (([leading, trailing], True), ([trailing, leading], False)):
        assert meets("!IRCSAC", NaiveEvent(MIDDLE, {"IRCSAC": rows})) is not vetoed
