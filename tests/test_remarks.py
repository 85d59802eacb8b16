from __future__ import annotations

from streams.catalogue import load_menu
from trigger.menu import L0Settings, Line, Menu
from trigger.remarks import remarks

MENU, NA62 = load_menu("na62-2018")


def with_l0(fine_time_bits: int, cut: int, **cuts: int) -> Menu:
    l0 = L0Settings(reference="RICH", fine_time_bits=fine_time_bits, time_cut_lsb=cut, time_cuts_lsb=cuts)
    return MENU.model_copy(update={"l0": l0})


def test_the_shipped_menu_has_nothing_odd() -> None:
    assert remarks(MENU, NA62) == []


def test_the_cuts_of_every_run_period_fit_their_slots() -> None:
    for fine_time_bits, cut in ((0, 100), (1, 100), (2, 64)):
        assert remarks(with_l0(fine_time_bits, cut), NA62) == []


def test_a_cut_of_more_than_a_slot_is_applied_in_part() -> None:
    (remark,) = remarks(with_l0(3, 32, MUV3=64), NA62)
    assert remark.startswith("time cut of MUV3: 64 LSB is more than a slot (32 LSB)")


def test_the_widest_cut_that_three_slots_always_cover_is_a_slot_and_one_lsb() -> None:
    """Brute force over every place in the slot: does each time inside the strict cut lie in N-1, N or N+1?"""
    slot = 32
    for cut in range(1, 3 * slot):
        covered = all(-1 <= (place + dt) // slot <= 1 for place in range(slot) for dt in range(1 - cut, cut))
        assert (remarks(with_l0(3, cut), NA62) == []) == covered


def test_a_cut_on_the_reference_acts_on_control_entries_only() -> None:
    menu = with_l0(2, 64, RICH=50)
    assert remarks(menu, NA62) == [
        "time cut of RICH: acts only on entries of the control trigger, a reference is in time with itself"
    ]
    (remark,) = remarks(menu.model_copy(update={"control": None}), NA62)
    assert "has no effect" in remark


def test_two_lines_with_one_condition_are_remarked_whatever_their_spelling() -> None:
    copy = Line(name="MT2", condition="NewCHOD.QX & RICH", downscaling=1)
    menu = MENU.model_copy(update={"line": (*MENU.line, copy)})
    assert remarks(menu, NA62) == ["MT2 has the same condition as MT"]
