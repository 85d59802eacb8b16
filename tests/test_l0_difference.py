"""Two L0 processors on one stream: common, gained and lost events and their causes, against plain sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import l0_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_cases import DETECTORS
from naive_l0 import NaiveL0, Noted, frames_of

from trigger.frames import Block
from trigger.l0.causes import Cause, Unmet
from trigger.l0.difference import Differences
from trigger.l0.matching import NOBODY, match_entries
from trigger.l0.overlap import overlap_matrix, pure_counts, row_counts
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, N_DETECTORS, N_MASKS, N_ROWS, L0Registers

checked = settings(deadline=None, derandomize=True, max_examples=25)

Pairs = list[tuple[int, int]]


def played(pair: tuple[L0Registers, L0Registers], rows: Pairs, blocks: Sequence[Block]) -> Differences:
    """Put blocks through two processors and compare their entries."""
    processors = [L0Processor(registers, DETECTORS, keep_entries=True) for registers in pair]
    differences = Differences(pair, rows)
    for block in blocks:
        for processor in processors:
            processor.process(block)
        stop = (block.stop_frame - 1) << 16
        differences.add(processors[0].entries, processors[1].entries, stop)
    for processor in processors:
        processor.finish()
    differences.add(processors[0].entries, processors[1].entries, blocks[-1].stop_frame << 16)
    differences.finish()
    return differences


class Naive:
    """The slow twin: entries of the naive processors, matched by a search, counted in plain sets."""

    def __init__(self, pair: tuple[L0Registers, L0Registers], rows: Pairs, block: Block) -> None:
        self.pair, self.rows = pair, rows
        self.noted = []
        for registers in pair:
            naive = NaiveL0(registers)
            naive.run(frames_of(block, DETECTORS))
            self.noted.append(naive.noted)
        a, b = pair
        self.same_slots = a.fine_time_bits == b.fine_time_bits

    def partners(self, wanted: list[list[Noted]], by_slot: bool) -> dict[int, int]:
        """Pairs of slots of A and B that are the same event."""
        if by_slot:
            return {n.slot: n.slot for n in wanted[0] if n.slot in {m.slot for m in wanted[1]}}
        window = 256 >> min(r.fine_time_bits for r in self.pair)
        times = [
            [max(n.time_lsb, n.slot * (256 >> r.fine_time_bits)) for n in notes]
            for notes, r in zip(wanted, self.pair, strict=True)
        ]
        pairs, i, j = {}, 0, 0
        while i < len(times[0]) and j < len(times[1]):
            apart = abs(times[0][i] - times[1][j])
            a_next = min([abs(t - times[1][j]) for t in times[0][i + 1 : i + 2]], default=apart)
            b_next = min([abs(t - times[0][i]) for t in times[1][j + 1 : j + 2]], default=apart)
            earlier = 0 if times[0][i] <= times[1][j] else 1
            if (
                apart < window
                and not (earlier == 0 and a_next < apart)
                and not (earlier == 1 and b_next < apart)
            ):
                pairs[wanted[0][i].slot] = wanted[1][j].slot
                i, j = i + 1, j + 1
            elif earlier == 0:
                i += 1
            else:
                j += 1
        return pairs

    def events(self, side: int, row: int, level: int) -> set[int]:
        """Slots of the events of a row."""
        return {
            n.slot
            for n in self.noted[side]
            if (n.kept if level else n.fired * (n.fate != "same_tick")) >> row & 1
        }

    def compare(self, rows: tuple[int, int], level: int) -> tuple[int, list[int], list[Counter[Cause]]]:
        """Common events of a pair of rows, those of each side alone, and their causes."""
        tag = 2 if rows[0] == CONTROL else 1
        makers = [(r.control if tag == 2 else r.reference) for r in self.pair]
        wanted = [[n for n in notes if n.tag & tag] for notes in self.noted]
        partner = self.partners(wanted, self.same_slots and makers[0] == makers[1])
        back = {b: a for a, b in partner.items()}
        mine = [self.events(side, rows[side], level) for side in (0, 1)]
        common = {a for a in mine[0] if partner.get(a) in mine[1]}
        only = [mine[0] - common, mine[1] - {partner[a] for a in common}]
        causes = [
            Counter(
                self.cause(1 - side, rows[1 - side], (partner, back)[side].get(slot), side, slot)
                for slot in only[side]
            )
            for side in (0, 1)
        ]
        return len(common), [len(o) for o in only], causes

    def cause(self, side: int, row: int, there: int | None, own: int, slot: int) -> Cause:
        """Why the row does not fire or survive on `side`, in the event that is in slot `there`."""
        registers = self.pair[side]
        if not registers.enabled[row]:
            return Cause("inactive")
        if there is None:
            return Cause("no entry")
        other = next(n for n in self.noted[side] if n.slot == there)
        ids = next(n for n in self.noted[own] if n.slot == slot).ids
        if other.fate in ("same_slot", "ignored"):
            return Cause(other.fate)
        if other.fired >> row & 1:
            return Cause("same_tick" if other.fate == "same_tick" else "downscaled")
        return Cause(
            "not met",
            tuple(
                Unmet(d, bit, (other.ids[d] ^ ids[d]) >> bit & 1 == 1)
                for d in range(N_DETECTORS)
                for bit in range(16)
                if ((other.ids[d] | int(registers.dontcare[row, d])) ^ int(registers.mask[row, d])) >> bit & 1
            ),
        )

    def triggers(self) -> tuple[int, list[int]]:
        """Triggers of both and of each side alone."""
        a, b = self.pair
        wanted = [[n for n in notes if n.kept] for notes in self.noted]
        same = self.same_slots and (a.reference, a.control) == (b.reference, b.control)
        common = len(self.partners(wanted, same))
        return common, [len(w) - common for w in wanted]


def assert_agrees(
    pair: tuple[L0Registers, L0Registers], rows: Pairs, block: Block, cuts: Sequence[int]
) -> None:
    found = played(pair, rows, [*l0_cases.cut_block(block, cuts)])
    naive = Naive(pair, rows, block)
    for row_a, row_b in rows:
        for level in (0, 1):
            common, only, causes = naive.compare((row_a, row_b), level)
            assert found.common[level][row_a] == common
            assert [found.only[side][level][row_a] for side in (0, 1)] == only
            assert [found.causes[row_a, level, side] for side in (0, 1)] == causes
            assert only == [c.total() for c in causes]
    assert (found.triggers_common, found.triggers_only) == naive.triggers()
    for side in (0, 1):
        for level in (0, 1):
            assert_overlaps(
                found.seen[side][level], [naive.events(side, row, level) for row in range(N_ROWS)]
            )


def assert_overlaps(counts: np.ndarray[tuple[int], np.dtype[np.int64]], events: list[set[int]]) -> None:
    assert overlap_matrix(counts).tolist() == [[len(a & b) for b in events] for a in events]
    assert row_counts(counts).tolist() == [len(a) for a in events]
    alone = [a.difference(*(b for b in events if b is not a)) for a in events]
    assert pure_counts(counts).tolist() == [len(a) for a in alone]


@st.composite
def pairs_of_registers(draw: st.DrawFn) -> tuple[tuple[L0Registers, L0Registers], Pairs, np.random.Generator]:
    """Draw two sets of registers that share much or little, the rows to compare, and a generator for more."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bits, reference = draw(st.integers(0, 3)), draw(st.integers(0, N_DETECTORS - 1))
    control = draw(st.none() | st.integers(0, N_DETECTORS - 1))
    a = l0_cases.random_registers(rng, bits, reference, control)
    changed = draw(
        st.sets(st.sampled_from(["all", "rows", "cuts", "downscale", "bits", "reference", "ignore"]))
    )
    other = l0_cases.random_registers(rng, bits, reference, control)
    b = a
    if "all" in changed:
        b = l0_cases.random_registers(rng, bits, reference, draw(st.none() | st.just(control)))
    if "rows" in changed and a.control == b.control:
        b = replace(b, mask=other.mask, dontcare=other.dontcare, enabled=other.enabled)
    if "cuts" in changed:
        b = replace(b, time_cut_lsb=other.time_cut_lsb)
    if "downscale" in changed:
        b = replace(b, downscale=other.downscale)
    if "bits" in changed:
        b = replace(b, fine_time_bits=draw(st.integers(0, 3)))
    if "reference" in changed:
        b = replace(b, reference=draw(st.integers(0, N_DETECTORS - 1)))
    if "ignore" in changed:
        b = replace(b, ignore_until_tick=draw(st.integers(-1, 300)))
    shuffled = draw(st.permutations(range(N_MASKS)))
    n = draw(st.integers(0, N_MASKS))
    rows = [*zip(range(n), shuffled, strict=False), *([(CONTROL, CONTROL)] * draw(st.integers(0, 1)))]
    return (a, b), rows, rng


@checked
@given(pairs_of_registers(), st.lists(st.integers(0, 9), max_size=12))
def test_counts_causes_and_overlaps_are_those_of_plain_sets_however_the_stream_is_cut(
    drawn: tuple[tuple[L0Registers, L0Registers], Pairs, np.random.Generator], cuts: list[int]
) -> None:
    pair, rows, rng = drawn
    assert_agrees(pair, rows, l0_cases.block_of(l0_cases.random_hits(rng, 0, 9, 12.0), 0, 9), cuts)


@settings(deadline=None, derandomize=True, max_examples=5)
@given(pairs_of_registers())
def test_causes_that_do_not_fit_the_table_are_counted_in_rounds(
    drawn: tuple[tuple[L0Registers, L0Registers], Pairs, np.random.Generator],
) -> None:
    pair, rows, rng = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trigger.l0.causes.TABLE", 4)
        assert_agrees(pair, rows, l0_cases.block_of(l0_cases.random_hits(rng, 0, 4, 25.0), 0, 4), [])


@checked
@given(pairs_of_registers())
def test_the_sums_close(drawn: tuple[tuple[L0Registers, L0Registers], Pairs, np.random.Generator]) -> None:
    pair, rows, rng = drawn
    block = l0_cases.block_of(l0_cases.random_hits(rng, 3, 6, 40.0), 3, 6)
    found = played(pair, rows, [block])
    for side, registers in enumerate(pair):
        processor = L0Processor(registers, DETECTORS)
        triggers = l0_cases.run(processor, [block])
        counts = (processor.before_downscaling, processor.after_downscaling)
        assert found.triggers_common + found.triggers_only[side] == len(triggers)
        for level in (0, 1):
            assert row_counts(found.seen[side][level]).tolist() == counts[level].tolist()
            for row in rows:
                mine = found.common[level][row[0]] + found.only[side][level][row[0]]
                assert mine == counts[level][row[side]]
                assert found.causes[row[0], level, side].total() == found.only[side][level][row[0]]


@checked
@given(st.integers(0, 2**32), st.none() | st.integers(0, N_DETECTORS - 1))
def test_a_processor_does_not_differ_from_itself(seed: int, control: int | None) -> None:
    rng = np.random.default_rng(seed)
    registers = l0_cases.random_registers(rng, 2, 1, control)
    rows = [(row, row) for row in range(N_ROWS)]
    block = l0_cases.block_of(l0_cases.random_hits(rng, 0, 6, 40.0), 0, 6)
    found = played((registers, registers), rows, [block])
    assert not np.any(found.only)
    assert found.triggers_only == [0, 0]
    assert not any(found.causes.values())


def matched(a: list[int], b: list[int], window: int, stop: int = 10**9) -> tuple[list[int], list[int]]:
    """Match times that all have the tag; return the partners of A that are settled, and how far both are."""
    partner_a, partner_b = (np.full(len(times), 99, np.int32) for times in (a, b))
    begin = np.zeros(2, np.int64)
    tags_a, tags_b = (np.ones(len(times), np.uint8) for times in (a, b))
    match_entries(
        np.array(a, np.int64), tags_a, np.array(b, np.int64), tags_b, np.uint8(1), window, stop, begin,
        partner_a, partner_b,
    )  # fmt: skip
    return partner_a.tolist(), begin.tolist()


@pytest.mark.parametrize(
    ("a", "b", "partners"),
    [
        ([0, 100], [3, 98], [0, 1]),
        ([0, 10], [64, 200], [NOBODY, 0]),
        ([0], [64], [NOBODY]),
        ([0], [63], [0]),
        ([40, 70], [60, 300], [NOBODY, 0]),
        ([40, 300], [10, 45], [1, NOBODY]),
        ([10, 20], [15], [0, NOBODY]),
        ([10], [], [NOBODY]),
    ],
)
def test_an_event_is_less_than_a_window_apart_and_has_no_nearer_neighbour(
    a: list[int], b: list[int], partners: list[int]
) -> None:
    assert matched(a, b, 64)[0] == partners


def test_what_later_entries_could_change_is_left_for_later() -> None:
    assert matched([10, 50], [12], 64, stop=100) == ([0, 99], [1, 1])
    assert matched([10, 50], [12], 64, stop=114) == ([0, NOBODY], [2, 1])
    assert matched([40], [60], 64, stop=123) == ([99], [0, 0])
    assert matched([40], [60], 64, stop=124) == ([0], [1, 1])
