"""What stages tell each other: it comes back from its message, and a body that does not fit is named."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_cases import same
from replay_cases import random_streams
from test_messages import JUNK

from streams import exchange
from streams.counts import ROWS, L0Counts, LineLosses
from streams.exchange import (
    MAX_FRAMES,
    L0Output,
    SpillEnd,
    SpillStart,
    StageTotals,
    block_message,
    end_message,
    output_message,
    read_block,
    read_end,
    read_output,
)
from streams.timing import Lateness
from streams.wire.message import MAX_INTEGER, MalformedMessage, Message
from streams.wire.state import LinkState
from trigger.frames import Block
from trigger.l0.fates import CAUSES, FATES
from trigger.l0.registers import N_DETECTORS, N_ROWS
from trigger.l0.triggers import ACCOUNTS, Triggers

START = SpillStart("na62", 8764, 500, 10**18, 3000, {"RICH": 10, "CHOD": 0}, "a.h5", 2, False, {"PNN": 3})
LINK = LinkState(malformed=1, redelivered=2, queued_bytes=10**9)
TOTALS = StageTotals(3, {"RICH": 10, "CHOD": 0}, 0.5, {"l0": LINK})
STAGES = {"source": TOTALS, "l0": replace(TOTALS, blocks=2)}
LATE = Lateness()
LATE.add(0.001)
END = SpillEnd(1.5, 3000, 0.02, 1.0, LATE, STAGES, 2, True, {"PNN": 0}, (("lost", "reach", 70_000),))
END_OF_SOURCE = SpillEnd(1.5, 3000, 0.02, None, Lateness(), {"source": TOTALS})
LAST_FRAMES = 7
BLOCK = Block(2990, LAST_FRAMES, random_streams(["RICH", "CHOD"], LAST_FRAMES, 20, first_frame=2990))


def output(n: int = 4) -> L0Output:
    """L0's answer to a block, with n triggers."""
    triggers = Triggers(
        np.arange(n, dtype=np.int64) << 40,
        np.arange(n, dtype=np.uint16),
        np.full(n, 0x11, np.uint8),
        np.zeros((0, 3, N_DETECTORS), np.uint32),
    )
    rows = {name: np.arange(N_ROWS, dtype=np.int64) + i for i, name in enumerate(ROWS)}
    account, dispatch = ({name: i for i, name in enumerate(names)} for names in (ACCOUNTS, FATES))
    by_cause = np.arange(N_ROWS * len(CAUSES), dtype=np.int64).reshape(N_ROWS, len(CAUSES))
    losses = LineLosses(rows["before"], rows["after"], by_cause, by_cause + 1)
    counts = L0Counts(**rows, account=account, dispatch=dispatch, pending=7, losses=losses)
    return L0Output(2990, LAST_FRAMES, triggers, counts, STAGES, (2991, 2995), LATE)


def sent(message: Message) -> Message:
    """The message as its receiver gets it."""
    return Message.decode([bytes(frame) for frame in message.numbered(0, 7).encode()])


def test_the_start_of_a_spill_comes_back() -> None:
    message = sent(START.message("abc"))
    assert (message.kind, message.run, message.burst, message.n_frames) == (exchange.START, 8764, 500, 3000)
    assert message.menu == "abc"
    assert SpillStart.of(message) == START


def test_a_block_comes_back() -> None:
    message = sent(block_message(BLOCK, START, TOTALS, LATE, "abc"))
    block, totals, late = read_block(message)
    assert late == LATE
    assert (message.kind, message.run, message.menu) == (exchange.BLOCK, 8764, "abc")
    assert (block.first_frame, block.n_frames, totals) == (2990, LAST_FRAMES, TOTALS)
    assert [*block.streams] == ["RICH", "CHOD"]
    for name, stream in block.streams.items():
        assert stream.first_frame == 2990
        np.testing.assert_array_equal(stream.offsets, BLOCK.streams[name].offsets)
        np.testing.assert_array_equal(stream.words, BLOCK.streams[name].words)
        stream.check()


@pytest.mark.parametrize(("n", "span"), [(0, None), (4, (2991, 2995))])
def test_the_answer_of_l0_comes_back(n: int, span: tuple[int, int] | None) -> None:
    answer = replace(output(n), span=span)
    back = read_output(sent(output_message(answer, START, "abc")))
    assert same(back.triggers, answer.triggers)
    assert (back.first_frame, back.n_frames, back.span) == (2990, LAST_FRAMES, span)
    assert (back.stages, back.late) == (STAGES, LATE)
    for name in ("account", "dispatch", "pending"):
        assert getattr(back.counts, name) == getattr(answer.counts, name)
    for name in ROWS:
        np.testing.assert_array_equal(getattr(back.counts, name), getattr(answer.counts, name))
    assert back.counts.losses is not None
    for name, rows in vars(answer.counts.losses).items():
        np.testing.assert_array_equal(getattr(back.counts.losses, name), rows)


def test_an_answer_without_losses_comes_back_without() -> None:
    answer = output()
    answer = replace(answer, counts=replace(answer.counts, losses=None))
    assert read_output(sent(output_message(answer, START, "abc"))).counts.losses is None


@pytest.mark.parametrize("end", [END, END_OF_SOURCE])
def test_the_end_of_a_spill_comes_back(end: SpillEnd) -> None:
    message = sent(end_message(end, START, "abc"))
    assert message.kind == exchange.END
    assert read_end(message) == end


def test_totals_are_a_copy_of_where_a_stage_stood_when_it_sent_them() -> None:
    totals = StageTotals.of(START)
    message = block_message(BLOCK, START, totals, Lateness(), "")
    totals.add(BLOCK)
    assert read_block(message)[1] == StageTotals(0, {"RICH": 0, "CHOD": 0})
    assert totals == StageTotals(1, {"RICH": 20, "CHOD": 20})
    totals.take_back(BLOCK)
    assert totals == StageTotals.of(START)


GOOD = {
    exchange.START: (START.message(""), SpillStart.of),
    exchange.BLOCK: (block_message(BLOCK, START, TOTALS, LATE, ""), read_block),
    exchange.TRIGGERS: (output_message(output(), START, ""), read_output),
    exchange.END: (end_message(END, START, ""), read_end),
}
"""A good message of each kind, and what reads it."""


def with_arrays(kind: str, **arrays: Any) -> Message:
    message = GOOD[kind][0]
    return replace(message, arrays={k: v for k, v in {**message.arrays, **arrays}.items() if v is not None})


def with_body(kind: str, **body: Any) -> Message:
    message = GOOD[kind][0]
    return replace(message, body={**message.body, **body})


OFFSETS = BLOCK.streams["RICH"].offsets
FALLING = OFFSETS.copy()
FALLING[2] = FALLING[3] + 1


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (with_arrays("primitives", **{"RICH.offsets": OFFSETS[:-1]}), r"RICH.offsets must be int64\[8\]"),
        (with_arrays("primitives", **{"RICH.offsets": OFFSETS[:0]}), r"RICH.offsets must be int64\[8\]"),
        (
            with_arrays("primitives", **{"RICH.offsets": OFFSETS + 1}),
            "RICH.offsets run from 1 to 21, not from 0",
        ),
        (
            with_arrays("primitives", **{"RICH.offsets": OFFSETS * 2}),
            "RICH.offsets run from 0 to 40, not from 0",
        ),
        (with_arrays("primitives", **{"RICH.offsets": FALLING}), "RICH.offsets fall"),
        (with_arrays("primitives", **{"RICH.offsets": OFFSETS.astype(np.float64)}), r"\(is float64\[8\]\)"),
        (with_arrays("primitives", **{"RICH.words": OFFSETS}), r"RICH.words must be uint32\[\]"),
        (with_arrays("primitives", **{"RICH.words": None}), r"RICH.words must be .* \(is missing\)"),
        (with_body("primitives", detectors=[]), "no detectors"),
        (with_body("primitives", detectors=["LKr"]), "LKr.offsets .* missing"),
        (with_body("primitives", detectors=[["RICH"]]), "detectors.0"),
        (with_body("primitives", detectors=None), "detectors"),
        (with_body("primitives", source={"blocks": -1}), "source.blocks"),
        (with_body("primitives", source={"primitives": {"RICH": 1.5}}), "source.primitives.RICH"),
        (replace(GOOD["primitives"][0], first_frame=MAX_FRAMES), "beyond any spill"),
        (replace(GOOD["primitives"][0], n_frames=MAX_INTEGER), "beyond any spill"),
        (replace(GOOD["primitives"][0], n_frames=8), r"RICH.offsets must be int64\[9\]"),
        (replace(GOOD["primitives"][0], body={}), "detectors"),
        (with_arrays("triggers", time=np.zeros(4, np.uint32)), r"time must be int64\[\] \(is uint32\[4\]\)"),
        (
            with_arrays("triggers", flags=np.zeros(3, np.uint16)),
            r"flags must be uint16\[4\] \(is uint16\[3\]\)",
        ),
        (with_arrays("triggers", word=None), r"word must be uint8\[4\] \(is missing\)"),
        (with_arrays("triggers", after=np.zeros(16, np.int64)), r"after must be int64\[17\]"),
        (with_body("triggers", account={}), "account must have words, "),
        (with_body("triggers", account={**output().counts.account, "more": 1}), "account must have words, "),
        (with_body("triggers", account={**output().counts.account, "words": True}), "account.words"),
        (with_body("triggers", span=[1]), "span"),
        (with_body("triggers", span=["a", "b"]), "span"),
        (with_body("triggers", stages={"l0": None}), "stages.l0"),
        (with_body("triggers", dispatch={}), "dispatch must have dispatched, "),
        (with_body("triggers", pending=-1), "pending"),
        (with_body("triggers", late={"bins": {"1": -1}}), "late.bins.1"),
        (with_arrays("triggers", lost=np.zeros(3, np.int64)), r"lost must be int64\[85\]"),
        (with_arrays("triggers", same_slot=None), r"same_slot must be .* missing"),
        (with_body("sob", run="1"), "run"),
        (with_body("sob", n_frames=MAX_FRAMES + 1), "n_frames"),
        (with_body("sob", primitives=3), "primitives"),
        (with_body("sob", counters={"PNN": "3"}), "counters.PNN"),
        (replace(GOOD["sob"][0], body={}), "experiment: Field required"),
        (with_body("eob", anchor_s=float("nan")), "anchor_s"),
        (with_body("eob", stages={"source": None}), "stages.source"),
        (with_body("eob", attempts=-1), "attempts"),
    ],
)
def test_what_does_not_fit_is_malformed_and_named(message: Message, place: str) -> None:
    with pytest.raises(MalformedMessage, match=place) as caught:
        GOOD[message.kind][1](message)
    assert "\n" not in str(caught.value)


def test_a_key_that_would_break_the_line_is_escaped() -> None:
    message, read = GOOD["triggers"]
    with pytest.raises(MalformedMessage) as wrong:
        read(replace(message, body={**message.body, "account": {"\n": None}}))
    assert str(wrong.value) == r"triggers: account.'\n': Input should be a valid integer"


@settings(max_examples=300)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_any_other_body_is_malformed_or_read(kind: str, data: st.DataObject) -> None:
    message, read = GOOD[kind]
    key = data.draw(st.sampled_from(sorted(message.body)))
    body = {**message.body, key: data.draw(JUNK)}
    try:
        read(replace(message, body=body))
    except MalformedMessage as wrong:
        assert "\n" not in str(wrong)  # noqa: PT017


def test_a_message_of_another_kind_is_malformed() -> None:
    for kind, (_message, read) in GOOD.items():
        for other, (message, _read) in GOOD.items():
            if other != kind:
                with pytest.raises(MalformedMessage):
                    read(message)


def test_the_body_of_a_message_is_its_dataclass() -> None:
    assert START.message("").body == asdict(START)
    assert end_message(END, START, "").body == asdict(END)
