"""The ledger: it closes on a good spill, and each loss opens the accounts that it concerns and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from replay_cases import Played
from streams.monitors.ledger import Account, l0_entries, line_account, lost_in_transport

from streams.monitors import rates
from streams.report import Report
from trigger.l0.triggers import CONTROL_WORD, Triggers


def open_accounts(report: Report) -> set[str]:
    """Names of the accounts that do not close."""
    return {name for name, account in report["ledger"].items() if not account["closed"]}


def test_the_ledger_of_a_good_spill_closes(played: Played) -> None:
    report = played.report()
    assert open_accounts(report) == set()
    assert report["ledger_closed"]
    assert report["lost_in_transport"] == 0
    assert [*report["ledger"]] == ["l0", *(line["name"] for line in report["lines"])]
    account = report["ledger"]["l0"]
    assert account["in"] == report["primitives"]["RICH"] + report["primitives"]["CHOD"]
    assert account["out"] == report["l0_triggers"] > 0
    assert account["downscaled"] > 0 < account["lost"]["same_slot"]


def test_an_answer_says_where_the_stages_stood_when_it_was_given(played: Played) -> None:
    blocks = [1, 2, 3, 4, 5, 6, 7, 7]
    assert [output.source.blocks for output in played.outputs] == blocks
    assert [output.l0.blocks for output in played.outputs] == blocks
    before = [int(output.counts.before[8]) for output in played.outputs]
    assert len({*before}) == len(before)


def change_triggers(played: Played, change: Callable[[Triggers], Triggers]) -> None:
    """Change the triggers of the second block."""
    output = played.outputs[1]
    played.outputs[1] = replace(output, triggers=change(output.triggers))


def without(triggers: Triggers, which: int) -> Triggers:
    """The triggers but one."""
    return Triggers(
        np.delete(triggers.time_lsb, which),
        np.delete(triggers.flags, which),
        np.delete(triggers.word, which),
        triggers.slots,
    )


def test_a_lost_trigger_opens_the_account_of_l0_and_those_of_its_lines(played: Played) -> None:
    names = [line.name for line in played.request.menu.line]
    triggers = played.outputs[1].triggers
    which = int(np.flatnonzero(triggers.flags)[0])
    flags, word = int(triggers.flags[which]), int(triggers.word[which])
    change_triggers(played, lambda t: without(t, which))
    report = played.report()
    lines = {name for i, name in enumerate(names) if flags >> i & 1} | (
        {"Control"} if word & CONTROL_WORD else set()
    )
    assert open_accounts(report) == {"l0"} | lines
    assert report["lost_in_transport"] == 1
    assert not report["ledger_closed"]


def test_a_flag_that_changed_opens_the_account_of_its_line_alone(played: Played) -> None:
    def flip(triggers: Triggers) -> Triggers:
        flags = triggers.flags.copy()
        flags[0] ^= 1 << 3
        return replace(triggers, flags=flags)

    change_triggers(played, flip)
    report = played.report()
    assert open_accounts(report) == {played.request.menu.line[3].name}
    assert not report["ledger_closed"]


def test_a_lost_answer_opens_the_account_of_l0(played: Played) -> None:
    lost = played.outputs.pop(1)
    report = played.report()
    assert "l0" in open_accounts(report)
    assert report["lost_in_transport"] == len(lost.triggers)


def test_a_word_of_the_reference_that_l0_did_not_get_opens_its_account(played: Played) -> None:
    assert played.end.l0 is not None
    played.end.source.primitives["RICH"] += 1
    report = played.report()
    assert open_accounts(report) == {"l0"}
    assert report["lost_in_transport"] == 1


def test_words_of_another_detector_that_l0_did_not_get_keep_the_ledger_open(played: Played) -> None:
    """No account counts them, and two detectors must not make up for each other."""
    played.end.source.primitives["LKr"] += 5
    played.end.source.primitives["MUV3"] -= 5
    report = played.report()
    assert open_accounts(report) == set()
    assert report["lost_in_transport"] == 10
    assert not report["ledger_closed"]


def test_a_missing_block_without_primitives_keeps_the_ledger_open(played: Played) -> None:
    played.end = replace(played.end, missing_blocks=1)
    report = played.report()
    assert report["lost_in_transport"] == 0
    assert not report["ledger_closed"]


@pytest.mark.parametrize(
    "name", ["rejected", "downscaled", "merged", "same_slot", "same_tick", "discarded", "ignored"]
)
def test_every_fate_of_an_entry_is_in_the_account_of_l0(played: Played, name: str) -> None:
    last = played.outputs[-1]
    account = {**last.counts.account, name: last.counts.account[name] + 1}
    played.outputs[-1] = replace(last, counts=replace(last.counts, account=account))
    assert open_accounts(played.report()) == {"l0"}


@pytest.mark.parametrize("name", ["before", "same_tick"])
def test_a_firing_too_many_opens_the_account_of_its_line_unless_downscaling_hides_it(
    played: Played, name: str
) -> None:
    """A firing that downscaling would not keep is balanced by what downscaling takes; one that it would is not."""
    last = played.outputs[-1]
    rows = getattr(last.counts, name).copy()
    rows[0] += 1
    played.outputs[-1] = replace(last, counts=replace(last.counts, **{name: rows}))
    assert open_accounts(played.report()) == ({"PNN"} if name == "before" else set())


def test_an_account_closes_when_what_came_went_somewhere() -> None:
    account = Account("x", came=10, out=1, merged=1, rejected=2, downscaled=3, lost={"a": 1, "b": 2})
    assert account.closed
    assert not replace(account, came=11).closed
    for name in ("out", "merged", "rejected", "downscaled"):
        assert not replace(account, **{name: getattr(account, name) + 1}).closed
    assert account.as_dict()["in"] == 10


def test_the_parts_of_the_ledger_agree_with_the_report(played: Played) -> None:
    now = rates.fresh(played.start)
    for output in played.outputs:
        now = rates.advance(now, output, played.request.experiment)
    report = played.report()
    menu = played.request.menu
    assert l0_entries(menu, played.end, now.counts, now.triggers_seen).as_dict() == report["ledger"]["l0"]
    for row, line in menu.rows:
        account = line_account(row, line, now.counts, int(now.after_seen[row]))
        assert account.as_dict() == report["ledger"][line.name]
    assert lost_in_transport(played.end, now.counts, now.triggers_seen) == report["lost_in_transport"]
