"""Stamps, algorithms and conclusion of L1 against the naive twin, on random menus and events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import l1_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l1_cases import KAON, ONE_SLAB, TOO_MUCH, Case, event, menu, run, word_of
from naive_l1 import NaiveL1

from trigger.l1 import decision, processor
from trigger.l1.fates import FATES, LINE_FATES, NOTES
from trigger.l1.program import compile_program
from trigger.menu import N_MASKS

checked = settings(deadline=None, derandomize=True, max_examples=60)

L0_WORDS = (0x01, 0x11, 0x10, 0x02, 0x03, 0x13, 0x20, 0x22, 0x23, 0x24, 0x25, 0x30, 0x31, 0x32, 0x04)
L0_ODDS = np.array([40, 8, 3, 2, 3, 1] + [1] * 9) / 66

CALL_NAMES = {
    0: "KTAG", 1: "CHOD", 2: "NewCHOD", 3: "LAV", 4: "IRCSAC",
    5: "MUV3(tight)", 6: "MUV3(opposite)", 7: "MUV3(multiplicity)", 8: "STRAW",
}  # fmt: skip


def bits(numbers: Sequence[int] | frozenset[int]) -> int:
    return sum(1 << number for number in numbers)


def assert_agrees(case: Case) -> None:
    """Compare words, masks, fates, what was computed and all sums with the twin's."""
    found, naive = run(case), NaiveL1(case.menu)
    judged = [naive.judge(*one) for one in zip(case.events, case.flags, case.words, strict=True)]
    assert found.words == [one.word for one in judged]
    assert found.passed == [bits(one.passed) for one in judged]
    assert found.fates == [one.fate for one in judged]
    for done, value, one in zip(found.done, found.value, judged, strict=True):
        assert {CALL_NAMES[c] for c in CALL_NAMES if done >> c & 1} == one.says.keys()
        assert value == bits([c for c, name in CALL_NAMES.items() if one.says.get(name)])
    tally = found.tally
    assert dict(zip(FATES, tally.fates, strict=True)) == {fate: naive.fates[fate] for fate in FATES}
    for mask in range(N_MASKS):
        counts = dict(zip(LINE_FATES, tally.lines[mask].tolist(), strict=True))
        assert counts == {fate: naive.lines[mask][fate] for fate in LINE_FATES}
    steps = [(mask, i) for mask, chain in enumerate(naive.chains) for i in range(len(chain))]
    assert tally.failed.tolist() == [naive.failed[step] for step in steps]
    assert dict(zip(NOTES, tally.notes, strict=True)) == {note: naive.notes[note] for note in NOTES}


def random_case(seed: int, n: int = 40) -> Case:
    rng = np.random.default_rng(seed)
    made = l1_cases.random_menu(rng)
    often = (1 << len(made.line)) - 1
    flags = [int(rng.integers(0, 1 << 16)) & (often if rng.random() < 0.9 else 0xFFFF) for _ in range(n)]
    words = [int(word) for word in rng.choice(L0_WORDS, n, p=L0_ODDS)]
    return Case(made, l1_cases.random_events(rng, n), flags, words)


@checked
@given(st.integers(0, 2**32))
def test_l1_agrees_with_its_twin_on_any_menu(seed: int) -> None:
    assert_agrees(random_case(seed))


def test_the_random_cases_have_all_fates_and_notes() -> None:
    fates, lines, notes = (np.zeros(len(names), int) for names in (FATES, LINE_FATES, NOTES))
    for seed in range(30):
        tally = run(random_case(seed)).tally
        fates += tally.fates
        lines += tally.lines.sum(axis=0)
        notes += tally.notes
    assert (fates > 5).all()
    assert (lines > 5).all()
    assert (notes > 5).all()


@checked
@given(st.integers(0, 2**32))
def test_the_sums_close_for_all_events_and_for_every_line(seed: int) -> None:
    case = random_case(seed)
    found = run(case)
    tally = found.tally
    assert tally.fates.sum() == len(case.events)
    program = compile_program(case.menu)
    assert len(tally.failed) == program.n_steps
    for mask in range(N_MASKS):
        line = dict(zip(LINE_FATES, tally.lines[mask].tolist(), strict=True))
        failed = tally.failed[program.first[mask] : program.first[mask + 1]].sum()
        unseen = line["reduced"] + line["bypassed"] + line["not_read_out"]
        assert line["input"] == unseen + failed + line["flagged"] + line["step_downscaled"] + line["passed"]
        assert line["passed"] == line["downscaled"] + line["kept"]
        assert line["input"] == sum(flags >> mask & 1 for flags in case.flags)
        assert line["passed"] == sum(passed >> mask & 1 for passed in found.passed)
    kept = [fate == "accepted" for fate in found.fates]
    assert kept == [word != 0 for word in found.words]


@checked
@given(st.integers(0, 2**32), st.lists(st.integers(0, 30), max_size=6))
def test_the_answer_does_not_depend_on_how_the_events_are_cut_into_blocks(seed: int, cuts: list[int]) -> None:
    case = random_case(seed, 30)
    whole, pieces = run(case), run(case, cuts)
    assert pieces[:-1] == whole[:-1]
    for one, other in zip(pieces.tally, whole.tally, strict=True):
        assert np.array_equal(one, other)


@checked
@given(st.integers(0, 2**32))
def test_an_event_that_a_mask_accepts_is_wanted(seed: int) -> None:
    case = random_case(seed)
    found = run(case)
    for one, word, wanted in zip(case.events, found.words, found.wanted, strict=True):
        if one.read_out and word & 0x41:
            assert wanted


def test_all_orders_of_three_vetoes_accept_the_same_passing_event() -> None:
    """The experiment's code rejects it in three of the six."""
    for order in permutations(["!KTAG", "!MUV3(tight)", "!NewCHOD"]):
        assert word_of(menu(order), event()) == 1
        found = run(Case(menu(order), [event()], [1], [1]))
        assert found.done == [0b100101]


def test_all_orders_of_any_algorithms_agree_on_the_mask() -> None:
    rng = np.random.default_rng(1)
    for one in l1_cases.random_events(rng, 12):
        for chain in (["KTAG", "!LAV", "MUV3(opposite)"], ["CHOD", "!IRCSAC", "!STRAW(pnn)"]):
            assert len({word_of(menu(order), one) for order in permutations(chain)}) == 1


def test_nothing_is_computed_behind_the_first_cut_that_fails() -> None:
    made = menu(["CHOD", "KTAG", "LAV"], ["?NewCHOD", "CHOD", "IRCSAC"])
    assert run(Case(made, [event()], [1], [1])).done == [0b10]
    assert run(Case(made, [event()], [3], [1])).done == [0b110]
    assert run(Case(made, [event(ONE_SLAB)], [1], [1])).done == [0b11]
    assert run(Case(made, [event(ONE_SLAB)], [2], [1])).done == [0b10110]


def test_the_algorithms_of_masks_that_are_not_asked_or_are_reduced_are_not_computed() -> None:
    made = menu(["KTAG"], {"l1": ["CHOD"], "l1_reduction": 2}, ["LAV"])
    assert run(Case(made, [event()], [0b011], [1])).done == [1]
    assert run(Case(made, [event()], [0], [1])).done == [0]


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run what decides which algorithms to run as plain Python, and note the algorithms that it calls."""
    calls: list[str] = []
    for name in (
        "ktag",
        "chod",
        "newchod",
        "lav",
        "ircsac",
        "tight",
        "opposite",
        "multiplicity",
        "search_refit",
    ):
        original = getattr(decision, name)

        def noting(*arguments: Any, _name: str = name, _run: Any = original) -> Any:
            calls.append(_name)
            return _run(*arguments)

        monkeypatch.setattr(decision, name, noting)
    for name in ("_simple", "_straw", "_keep_tracks", "_missing", "met"):
        made = getattr(decision, name)
        monkeypatch.setattr(decision, name, getattr(made, "py_func", made))
    whole = decision.run_algorithms
    monkeypatch.setattr(processor, "run_algorithms", getattr(whole, "py_func", whole))
    return calls


def test_each_algorithm_is_computed_once_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = ["?KTAG", "?CHOD", "?NewCHOD", "?LAV", "?IRCSAC", "?STRAW(pnn)"]
    chain += [f"?MUV3({kind})" for kind in ("tight", "opposite", "multiplicity")]
    other = ["?!KTAG", "?STRAW(exotic)", "?MUV3(tight)", "?!LAV"]
    calls = count_calls(monkeypatch)
    case = Case(menu(chain, other, chain), [event(KAON), event(ONE_SLAB)], [7, 7], [1, 1])
    assert run(case).done == [0b111111111] * 2
    assert len(calls) == 18
    assert sorted(calls[:9]) == sorted(calls[9:])
    assert len(set(calls)) == 9


def test_the_variants_of_muv3_do_not_take_each_others_answer() -> None:
    """Tight in the first and the last mask, opposite between them."""
    made = menu(["MUV3(tight)"], ["MUV3(opposite)"], ["MUV3(tight)"], ["MUV3(multiplicity)"])
    cases = {
        0b0000: [],
        0b0101: [(0, 0), (0, 200)],
        0b1010: [(0, 0), (0, 6)],
        0b1000: [(0, 0), (0, 2)],
        0b0010: [(0, 5), (0, 6)],
        0b1111: [(0, 0), (0, 200), (0, 6)],
    }
    for passed, rows in cases.items():
        assert run(Case(made, [event({"MUV3": rows})], [0xF], [1])).passed == [passed]


def test_masks_that_ask_for_different_bits_of_straw_share_one_search() -> None:
    made = menu(["STRAW(pnn)"], ["!STRAW(exotic)"], ["STRAW(pnn+dv-tight)"], ["!STRAW(one-track)"])
    crowded = event()
    crowded.hits["STRAW"] = TOO_MUCH
    assert run(Case(made, [event(), crowded], [0xF] * 2, [1] * 2)).passed == [0b1010, 0b0101]
    crowded.missing = {"STRAW"}
    found = run(Case(made, [crowded], [0xF], [1]))
    assert (found.passed, found.tally.notes.tolist()) == ([0b1010], [0, 0, 0, 1])
