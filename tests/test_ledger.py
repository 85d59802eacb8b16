"""The ledger closes on what is whole, and each loss shows where it happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.catalogue import load_menu
from streams.monitors import ledger
from streams.stages.exchange import L0Counts, SpillEnd, StageTotals
from trigger.l0.registers import CONTROL, N_ROWS
from trigger.l0.triggers import ACCOUNTS

MENU, NA62 = load_menu("na62-2018")
MT = 2
"""Row of a line that keeps 1 in 100."""


def account(**changes: int) -> dict[str, int]:
    fates = dict.fromkeys(ACCOUNTS, 0) | {
        "paired": 30, "same_slot": 7, "rejected": 300, "same_tick": 5, "downscaled": 640, "triggers": 18,
    }  # fmt: skip
    fates |= changes
    fates["words"] = sum(n for name, n in fates.items() if name != "words")
    return fates


def counts(before: int = 1250, same_tick: int = 4) -> L0Counts:
    rows = np.zeros((3, N_ROWS), np.int64)
    rows[:, MT] = (before, before // 100, same_tick)
    return L0Counts(rows[0], rows[1], rows[2], account())


def end(rich: int = 600, chod: int = 400) -> SpillEnd:
    totals = StageTotals(3, {"RICH": rich, "CHOD": chod, "LKr": 50})
    return SpillEnd(0.0, totals, replace(totals))


def test_the_sum_of_the_entries_closes() -> None:
    entries = ledger.l0_entries(MENU, end(), counts(), 18)
    assert entries.closed
    assert (entries.came, entries.out, entries.merged) == (1000, 18, 30)
    assert entries.lost == {"same_slot": 7, "ignored": 0, "same_tick": 5, "discarded": 0}
    assert ledger.lost_in_transport(end(), counts(), 18) == 0


@pytest.mark.parametrize(("rich", "seen"), [(601, 18), (599, 18), (600, 17), (600, 19)])
def test_a_primitive_or_a_trigger_too_many_or_too_few_opens_it(rich: int, seen: int) -> None:
    assert not ledger.l0_entries(MENU, end(rich=rich), counts(), seen).closed


def test_only_reference_and_control_primitives_are_entries() -> None:
    assert ledger.l0_entries(MENU, end(), counts(), 18).came == 1000
    without = MENU.model_copy(update={"control": None})
    assert ledger.l0_entries(without, end(), counts(), 18).came == 600


def test_a_line_closes_when_every_hundredth_firing_arrived() -> None:
    mt = ledger.line_account(MT, MENU.line[MT], counts(), 12)
    assert mt.closed
    assert (mt.name, mt.came, mt.downscaled, mt.lost) == ("MT", 1254, 1238, {"same_tick": 4})


@pytest.mark.parametrize("seen", [11, 13])
def test_a_flag_lost_or_gained_opens_the_line(seen: int) -> None:
    assert not ledger.line_account(MT, MENU.line[MT], counts(), seen).closed


def test_the_control_trigger_has_an_account_too() -> None:
    assert MENU.control is not None
    assert ledger.line_account(CONTROL, MENU.control, counts(), 0).closed


@pytest.mark.parametrize(
    ("came", "seen", "lost"),
    [({"RICH": 600, "CHOD": 400, "LKr": 50}, 18, 0), ({"RICH": 590, "CHOD": 400, "LKr": 50}, 18, 10),
     ({"RICH": 600, "CHOD": 400}, 17, 51)],
)  # fmt: skip
def test_what_transport_loses_is_counted_in_primitives_and_triggers(
    came: dict[str, int], seen: int, lost: int
) -> None:
    short = replace(end(), l0=StageTotals(3, came))
    assert ledger.lost_in_transport(short, counts(), seen) == lost
