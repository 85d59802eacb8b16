"""The L1 word and what becomes of an event: reductions, downscalings, flags, autopass, bypass, special events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from l1_cases import KAON, MIDDLE, ONE_SLAB, PHOTONS, Case, event, menu, run, word_of
from naive_l1 import chance
from numpy.typing import NDArray

from trigger.l1.program import compile_program
from trigger.l1.stamps import BYPASS, Stamper
from trigger.menu import Menu

PLAIN = menu(["KTAG", "CHOD"])
FLAGGED = menu(["?KTAG"])


@pytest.mark.parametrize(
    ("made", "hits", "l0_word", "flags", "word"),
    [
        (menu([]), {}, 0x01, 0x1, 0x11),
        (menu([]), {}, 0x01, 0x2, 0x11),
        (PLAIN, KAON | ONE_SLAB, 0x01, 0x1, 0x01),
        (PLAIN, KAON, 0x01, 0x1, 0x00),
        (PLAIN, ONE_SLAB, 0x01, 0x1, 0x00),
        (PLAIN, KAON | ONE_SLAB, 0x01, 0x0, 0x00),
        (PLAIN, KAON, 0x01, 0x3, 0x11),
        (FLAGGED, {}, 0x01, 0x1, 0x40),
        (FLAGGED, KAON, 0x01, 0x1, 0x41),
        (menu(["?!KTAG"]), {}, 0x01, 0x1, 0x41),
        (menu(["?!KTAG"]), KAON, 0x01, 0x1, 0x40),
        (menu(["?KTAG", "CHOD"]), ONE_SLAB, 0x01, 0x1, 0x40),
        (menu(["?KTAG", "CHOD"]), KAON | ONE_SLAB, 0x01, 0x1, 0x41),
        (menu(["?KTAG", "CHOD"]), KAON, 0x01, 0x1, 0x00),
        (menu(["CHOD", "?KTAG"]), KAON, 0x01, 0x1, 0x00),
        (menu(["?KTAG"], ["CHOD"]), ONE_SLAB, 0x01, 0x3, 0x41),
        (menu(["?KTAG", "CHOD"], ["KTAG"]), KAON, 0x01, 0x3, 0x01),
        (PLAIN, {}, 0x10, 0x0, 0x20),
        (PLAIN, {}, 0x11, 0x1, 0x20),
        (PLAIN, KAON | ONE_SLAB, 0x11, 0x1, 0x21),
        (PLAIN, {}, 0x02, 0x0, 0x20),
        (PLAIN, KAON | ONE_SLAB, 0x03, 0x1, 0x21),
        (menu([]), {}, 0x11, 0x1, 0x31),
        (menu([], autopass=1), {}, 0x11, 0x1, 0xB1),
        (menu(["KTAG"], autopass=1), {}, 0x01, 0x1, 0x80),
        (menu(["KTAG"], autopass=1), KAON, 0x01, 0x1, 0x81),
        (menu(["KTAG"], autopass=1), {}, 0x01, 0x0, 0x80),
        (menu(["KTAG"], flag_mode=True), {}, 0x01, 0x1, 0x80),
        (menu(["?KTAG"], flag_mode=True), {}, 0x01, 0x1, 0xC0),
        (menu(["KTAG"], bypass_probability=1.0), {}, 0x01, 0x1, 0x20),
        (menu(["KTAG"], bypass_probability=1.0, autopass=1), {}, 0x01, 0x1, 0xA0),
        (menu(["KTAG"], autopass=2), {}, 0x01, 0x1, 0x00),
        (menu(["KTAG"], reduction=2), KAON, 0x01, 0x1, 0x00),
        (menu(["KTAG"], reduction=2, autopass=1), KAON, 0x11, 0x1, 0x00),
        (menu(["KTAG"], downscaling=2), KAON, 0x11, 0x1, 0x00),
        (menu({"l1": ["KTAG"], "l1_reduction": 2}), KAON, 0x01, 0x1, 0x00),
        (menu({"l1": [], "l1_reduction": 2}), {}, 0x01, 0x1, 0x00),
        (menu([{"run": "KTAG", "downscaling": 2}]), KAON, 0x01, 0x1, 0x00),
        (menu([{"run": "?KTAG", "downscaling": 2}]), KAON, 0x01, 0x1, 0x40),
    ],
)
def test_the_l1_word_is_that_of_the_specification(
    made: Menu, hits: dict[str, Any], l0_word: int, flags: int, word: int
) -> None:
    assert word_of(made, event(hits), flags, l0_word) == word


@pytest.mark.parametrize("l0_word", [0x22, 0x23, 0x24, 0x25, 0x30, 0x31, 0x32])
def test_special_events_are_accepted_unseen(l0_word: int) -> None:
    assert word_of(PLAIN, event(KAON | ONE_SLAB), 0x3, l0_word) == 0x20
    found = run(Case(PLAIN, [event(KAON | ONE_SLAB)], [0x3], [l0_word]))
    assert (found.passed, found.done, found.fates) == ([0], [0], ["accepted"])


def test_the_reduction_of_all_events_takes_periodics_and_the_pulser_but_no_other_special_event() -> None:
    reducing = menu(["KTAG"], reduction=1000)
    for l0_word in (0x01, 0x02, 0x10, 0x31):
        found = run(Case(reducing, [event(KAON)], [1], [l0_word]))
        assert (found.words, found.fates) == ([0], ["reduced"])
    for l0_word in (0x22, 0x23, 0x24, 0x25, 0x30, 0x32):
        assert word_of(reducing, event(), 1, l0_word) == 0x20


@pytest.mark.parametrize(("field", "fate"), [("reduction", "reduced"), ("downscaling", "downscaled")])
def test_one_in_so_many_events_is_looked_at_or_kept(field: str, fate: str) -> None:
    n = 10
    found = run(Case(menu(["KTAG"], **{field: 3}), [event(KAON)] * n, [1] * n, [1] * n))
    assert [i for i, word in enumerate(found.words) if word] == [2, 5, 8]
    assert found.fates.count(fate) == 7


def test_autopass_is_one_in_so_many_of_all_events_whatever_they_are() -> None:
    words = [0x01, 0x22, 0x10, 0x01, 0x01, 0x23, 0x01]
    found = run(Case(menu(["KTAG"], autopass=3), [event()] * 7, [1] * 7, words))
    assert found.words == [0, 0x20, 0xA0, 0, 0, 0xA0, 0]


def test_the_reduction_of_a_line_counts_its_own_events_and_the_other_lines_go_on() -> None:
    made = menu({"l1": ["KTAG"], "l1_reduction": 2}, ["CHOD"])
    found = run(Case(made, [event(KAON | ONE_SLAB)] * 6, [1, 3, 2, 1, 3, 3], [1] * 6))
    assert found.passed == [0, 3, 2, 0, 3, 2]


def test_the_downscaling_of_a_step_counts_the_events_that_meet_its_condition_and_came_as_far() -> None:
    made = menu(["CHOD", {"run": "!KTAG", "downscaling": 2}])
    passing, failing, late = event(ONE_SLAB), event(ONE_SLAB | KAON), event()
    case = Case(made, [passing, failing, late, passing, passing, passing], [1] * 6, [1] * 6)
    assert run(case).passed == [0, 0, 0, 1, 0, 1]


def test_an_event_that_a_later_cut_rejects_is_not_kept_by_a_flag_if_an_earlier_cut_is_downscaled() -> None:
    """The flag bit is only for a mask whose cuts passed."""
    made = menu(["?KTAG", {"run": "CHOD", "downscaling": 2}, "!LAV"])
    found = run(Case(made, [event(ONE_SLAB | PHOTONS)], [1], [1]))
    assert (found.words, found.fates) == ([0], ["rejected"])


def test_the_place_of_a_flag_among_the_cuts_does_not_matter() -> None:
    """Nor whether a cut is downscaled."""
    steps: list[Any] = ["?KTAG", {"run": "CHOD", "downscaling": 2}, "!LAV"]
    for hits in ({}, ONE_SLAB, ONE_SLAB | KAON, ONE_SLAB | PHOTONS, KAON):
        found = {
            tuple(run(Case(menu(order), [event(hits)] * 2, [1] * 2, [1] * 2)).words)
            for order in (steps, [steps[1], steps[0], steps[2]], [*steps[1:], steps[0]])
        }
        assert len(found) == 1, hits


def test_an_event_without_hits_passes_only_lines_without_algorithms() -> None:
    unread = event(KAON)
    unread.read_out = False
    made = menu(["KTAG"], [], ["!LAV"])
    assert run(Case(made, [unread], [0b101], [1])).fates == ["not_read_out"]
    assert run(Case(made, [unread], [0b101], [1])).done == [0]
    found = run(Case(made, [unread] * 2, [0b111] * 2, [0x01, 0x11]))
    assert (found.words, found.passed) == ([0x11, 0x31], [0b010] * 2)
    assert word_of(menu(["KTAG"], autopass=1), unread) == 0x80


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_bypass_depends_on_the_trigger_time_alone_and_is_as_likely_as_asked(probability: float) -> None:
    n = 2000
    stamper = Stamper(compile_program(menu(["KTAG"], bypass_probability=probability)))
    times = MIDDLE + 1024 * np.arange(n)

    def bypassed(chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
        ones = np.ones(len(chosen), np.uint16)
        _, stamps = stamper.stamp(chosen, ones, ones.astype(np.uint8))
        return np.asarray(stamps & BYPASS != 0)

    found = bypassed(times)
    assert found.tolist() == [chance(int(time)) < probability for time in times]
    assert bypassed(times[::-3].copy()).tolist() == found[::-3].tolist()
    sigma = (probability * (1 - probability) / n) ** 0.5
    assert abs(found.mean() - probability) < 4 * sigma


def test_a_menu_without_l1_accepts_all_that_comes() -> None:
    made = menu([], [])
    without = made.model_copy(update={"l1": None})
    flags = [1, 2, 3, 0, 1 << 15]
    case = Case(without, [event()] * 5, flags, [1, 1, 1, 0x10, 1])
    assert run(case).words == [0x11, 0x11, 0x11, 0x20, 0x11]
