"""The ledger: it closes on a good spill, and each loss opens the accounts that it concerns and no other."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from replay_cases import Played

from streams.ledger import Account, LedgerError, assert_closed
from streams.monitors import rates
from streams.monitors.accounts import spill_accounts
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
    assert [*report["ledger"]] == ["source", "l0", "monitor", *(line["name"] for line in report["lines"])]
    account = report["ledger"]["l0"]
    assert account["in"] == report["primitives"]["RICH"] + report["primitives"]["CHOD"]
    assert account["out"] == report["l0_triggers"] > 0
    assert account["downscaled"] > 0 < account["lost"]["same_slot"]


def test_an_answer_says_where_the_stages_stood_when_it_was_given(played: Played) -> None:
    blocks = [1, 2, 3, 4, 5, 6, 7, 7]
    for stage in ("source", "l0"):
        assert [output.stages[stage].blocks for output in played.outputs] == blocks
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


def test_a_lost_trigger_opens_the_accounts_of_its_lines_and_is_lost_in_transport(played: Played) -> None:
    names = [line.name for line in played.request.menu.line]
    triggers = played.outputs[1].triggers
    which = int(np.flatnonzero(triggers.flags)[0])
    flags, word = int(triggers.flags[which]), int(triggers.word[which])
    change_triggers(played, lambda t: without(t, which))
    report = played.report()
    lines = {name for i, name in enumerate(names) if flags >> i & 1} | (
        {"Control"} if word & CONTROL_WORD else set()
    )
    # The account of the monitor has a place for it; that it is not empty keeps the ledger open.
    assert open_accounts(report) == lines
    assert report["ledger"]["monitor"]["lost"] == {"in_transport": 1}
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


def test_a_lost_answer_opens_the_accounts_of_lines(played: Played) -> None:
    lost = played.outputs.pop(1)
    report = played.report()
    assert {"PNN", "Control"} < open_accounts(report)
    assert report["lost_in_transport"] == len(lost.triggers)


def sent_by_the_source(played: Played, **more: int) -> None:
    """Change what the source says at the end that it sent."""
    last = played.outputs[-1]
    stages = deepcopy(last.stages)
    for name, n in more.items():
        stages["source"].primitives[name] += n
    played.outputs[-1] = replace(last, stages=stages)


def test_a_word_of_the_reference_that_l0_did_not_get_opens_its_account(played: Played) -> None:
    sent_by_the_source(played, RICH=1)
    report = played.report()
    assert open_accounts(report) == {"source", "l0"}
    assert report["lost_in_transport"] == 1


def test_words_of_another_detector_that_l0_did_not_get_keep_the_ledger_open(played: Played) -> None:
    """No two detectors make up for each other."""
    sent_by_the_source(played, LKr=5, MUV3=-5)
    report = played.report()
    assert open_accounts(report) == {"source"}
    assert report["lost_in_transport"] == 5
    assert not report["ledger_closed"]


def test_a_word_that_the_file_has_and_the_source_did_not_send_opens_its_account(played: Played) -> None:
    played.start = replace(played.start, primitives={**played.start.primitives, "LKr": 10**6})
    assert open_accounts(played.report()) == {"source"}


def test_a_stopped_spill_is_accounted_for_up_to_where_it_was_stopped(played: Played) -> None:
    monitor = played.monitor()
    for output in played.outputs[:3]:
        monitor.update(output)
    report = monitor.give_up()
    assert report["interrupted"]
    assert report["ledger_closed"]
    source = report["ledger"]["source"]
    assert source["in"] == sum(played.start.primitives.values())
    assert source["lost"]["not_played"] == source["in"] - source["out"] > 0
    assert report["ledger"]["l0"]["lost"]["pending"] > 0


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
    """A firing that downscaling would not keep is balanced by what it takes; one that it would keep is not."""
    last = played.outputs[-1]
    rows = getattr(last.counts, name).copy()
    rows[0] += 1
    played.outputs[-1] = replace(last, counts=replace(last.counts, **{name: rows}))
    assert open_accounts(played.report()) == ({"PNN"} if name == "before" else set())


def test_an_account_closes_when_what_came_went_somewhere() -> None:
    account = Account(came=9, gained=1, out=1, merged=1, rejected=2, downscaled=3, lost={"a": 1, "b": 2})
    assert account.closed
    assert not replace(account, came=11).closed
    assert replace(account, gained=2).balance == 1
    for name in ("out", "merged", "rejected", "downscaled"):
        assert not replace(account, **{name: getattr(account, name) + 1}).closed
    assert account.as_dict()["in"] == 9
    assert Account.of(account.as_dict()) == account
    assert_closed({"x": account})
    with pytest.raises(LedgerError, match=r"^the ledger of x does not close: 2 are missing of "):
        assert_closed({"x": replace(account, came=11)})


def test_accounts_of_one_name_add_up() -> None:
    a = Account(came=3, out=1, lost={"a": 2})
    b = Account(came=5, out=1, rejected=1, lost={"b": 3})
    assert a + b == Account(came=8, out=2, rejected=1, lost={"a": 2, "b": 3})


def test_the_accounts_close_after_each_block_too(played: Played) -> None:
    now = rates.fresh(played.start)
    for output in played.outputs:
        now = rates.advance(now, output, played.request.experiment)
        assert_closed(spill_accounts(now, played.request.menu, partly=True))
