"""What the lines lose and gain against an ideal processor: against the naive twin, and in closed cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import l0_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_cases import DETECTORS, ERA_FRAMES, FIRED, FRAME, TICK, Hit
from naive_l0 import CALIBRATION, NaiveL0, frames_of
from naive_losses import NaiveLosses

from trigger.frames import Block
from trigger.l0.cases import Case
from trigger.l0.entries import Entries
from trigger.l0.fates import CAUSES
from trigger.l0.losses import LossFinder
from trigger.l0.processor import L0Error, L0Processor
from trigger.l0.registers import CONTROL, IGNORE, N_DETECTORS, N_ROWS, L0Registers

checked = settings(deadline=None, derandomize=True, max_examples=60)

ERA = ERA_FRAMES * FRAME
SLOT = TICK >> 2
"""Width of the slots of `l0_cases.registers`."""

REFERENCE, OTHER = 1, 3


def find_losses(
    registers: L0Registers, blocks: Iterable[Block], row: int | None = None, limit: int = 10
) -> tuple[LossFinder, L0Processor]:
    processor = L0Processor(registers, DETECTORS, keep_entries=True)
    finder = LossFinder(registers, DETECTORS, row, limit)
    for block in blocks:
        processor.process(block)
        finder.process(block, processor.entries)
    processor.finish()
    finder.finish(processor.entries)
    return finder, processor


def losses_of(hits: Iterable[Hit], registers: L0Registers, n_frames: int = 2 * ERA_FRAMES) -> LossFinder:
    """Return the losses of a few primitives, with the cases of mask 0."""
    finder, processor = find_losses(registers, [l0_cases.block_of(hits, 0, n_frames)], 0)
    assert finder.closes(processor)
    return finder


def assert_agrees(registers: L0Registers, block: Block, cuts: list[int], row: int = 0) -> None:
    """Compare a stream in pieces with the twin's account of the whole."""
    finder, processor = find_losses(registers, l0_cases.cut_block(block, cuts), row, 3)
    frames = frames_of(block, DETECTORS)
    firmware = NaiveL0(registers)
    firmware.run(frames)
    naive = NaiveLosses(registers, [p for frame in frames for p in frame], firmware.noted)
    assert finder.ideal.tolist() == naive.ideal
    assert finder.same_slot.tolist() == naive.same_slot
    assert finder.lost.tolist() == naive.lost
    assert finder.gained.tolist() == naive.gained
    assert [tuple(case) for case in finder.cases] == naive.first_cases(row, 3)
    assert finder.closes(processor)


def control_of(kind: str, reference: int) -> int | None:
    return {"none": None, "reference": reference, "another": (reference + 3) % N_DETECTORS}[kind]


@st.composite
def setups(draw: st.DrawFn) -> tuple[L0Registers, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    reference = draw(st.integers(0, N_DETECTORS - 1))
    control = control_of(draw(st.sampled_from(["none", "reference", "another"])), reference)
    return l0_cases.random_registers(rng, draw(st.integers(0, 3)), reference, control), rng


@pytest.mark.parametrize("control", ["none", "reference", "another"])
@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_losses_agree_with_their_twin_on_dense_streams_in_any_pieces(bits: int, control: str) -> None:
    rng = np.random.default_rng([bits, *control.encode()])
    for per_frame, first_frame in ((3.0, 0), (20.0, 5), (200.0, 1001)):
        reference = int(rng.integers(N_DETECTORS))
        registers = l0_cases.random_registers(rng, bits, reference, control_of(control, reference))
        n_frames = int(min(40, 600 // per_frame))
        hits = l0_cases.random_hits(rng, first_frame, n_frames, per_frame)
        cuts = rng.integers(0, n_frames + 1, int(rng.integers(0, 12))).tolist()
        assert_agrees(
            registers, l0_cases.block_of(hits, first_frame, n_frames), cuts, int(rng.integers(N_ROWS))
        )


@checked
@given(setups(), st.lists(st.integers(0, 6), max_size=8), st.sampled_from([0, CONTROL]))
def test_losses_agree_with_their_twin_on_random_streams_in_any_pieces(
    setup: tuple[L0Registers, np.random.Generator], cuts: list[int], row: int
) -> None:
    registers, rng = setup
    block = l0_cases.block_of(l0_cases.random_hits(rng, 1021, 6, 20.0), 1021, 6)
    assert_agrees(registers, block, cuts, row)


@pytest.mark.parametrize("control", ["none", "another"])
@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_losses_agree_with_their_twin_at_the_edges_of_eras(bits: int, control: str) -> None:
    """A few primitives within two slots of each multiple of 2,048 ticks."""
    rng = np.random.default_rng([bits, *control.encode()])
    eras, slot = 12, TICK >> bits
    for n in (40, 120, 250):
        reference = int(rng.integers(N_DETECTORS))
        registers = l0_cases.random_registers(rng, bits, reference, control_of(control, reference))
        times = rng.integers(1, eras, n) * ERA + rng.choice(
            [-slot - 1, -slot, -9, -1, 0, 1, 9, slot - 1, slot], n
        )
        ids = rng.choice(l0_cases.IDS, n, p=l0_cases.ID_ODDS)
        hits = zip(rng.integers(0, N_DETECTORS, n).tolist(), times.tolist(), ids.tolist(), strict=True)
        cuts = [f for f in range(eras * ERA_FRAMES) if rng.random() < 0.3]
        assert_agrees(registers, l0_cases.block_of(hits, 0, eras * ERA_FRAMES), cuts)


@checked
@given(setups(), st.integers(-1, 8 * 256))
def test_candidates_that_are_ignored_are_on_neither_side(
    setup: tuple[L0Registers, np.random.Generator], tick: int
) -> None:
    registers = replace(setup[0], ignore_until_tick=tick)
    assert_agrees(registers, l0_cases.block_of(l0_cases.random_hits(setup[1], 2, 6, 12.0), 2, 6), [3])


def test_the_tick_up_to_which_entries_are_ignored_is_ignored_itself() -> None:
    hits = [(REFERENCE, 10 * TICK + 9, FIRED), (REFERENCE, 11 * TICK, FIRED)]
    assert counts(losses_of(hits, l0_cases.registers(ignore_until_tick=10))) == {"ideal": 1}


def test_blocks_may_be_overwritten_once_they_are_processed() -> None:
    hits = [(d, (f + 1) * FRAME + dt, FIRED) for f in range(9) for d, dt in ((OTHER, -5), (REFERENCE, 5))]
    registers = requiring()
    processor = L0Processor(registers, DETECTORS, keep_entries=True)
    finder = LossFinder(registers, DETECTORS)
    for block in l0_cases.cut_block(l0_cases.block_of(hits, 0, 10), [*range(10)]):
        # The processor gets a block of its own: this is about what the finder keeps.
        own = {name: replace(stream, words=stream.words.copy()) for name, stream in block.streams.items()}
        processor.process(block)
        finder.process(replace(block, streams=own), processor.entries)
        for stream in own.values():
            stream.words[:] = 0xFFFF_FFFF
    processor.finish()
    finder.finish(processor.entries)
    assert counts(finder) == {"ideal": 9, "lost boundary": 1}
    assert finder.closes(processor)


@checked
@given(setups(), st.lists(st.integers(0, 30), max_size=6))
def test_what_is_lost_and_gained_leads_from_the_ideal_to_the_real_processor(
    setup: tuple[L0Registers, np.random.Generator], cuts: list[int]
) -> None:
    registers, rng = setup
    block = l0_cases.block_of(l0_cases.random_hits(rng, 0, 30, 60.0), 0, 30)
    finder, processor = find_losses(registers, l0_cases.cut_block(block, cuts))
    difference = finder.gained.sum(axis=1) - finder.lost.sum(axis=1) - finder.same_slot
    fired = processor.before_downscaling + processor.lost_same_tick
    assert (finder.ideal + difference).tolist() == fired.tolist()
    assert finder.closes(processor)
    if fired.any():
        assert not finder.closes(L0Processor(registers, DETECTORS))


def vetoing(row: int = 0, **changes: Any) -> L0Registers:
    """Return registers whose row fires on an entry unless OTHER has bit 0."""
    mask = np.full((N_ROWS, N_DETECTORS), IGNORE)
    mask[row, OTHER] &= ~1
    return l0_cases.registers(mask=mask, dontcare=mask, enabled=np.arange(N_ROWS) == row, **changes)


def requiring(**changes: Any) -> L0Registers:
    return l0_cases.registers(**(l0_cases.requiring(OTHER) | changes))


def counts(finder: LossFinder) -> dict[str, int]:
    """Return what of mask 0 is not zero: ideal, same_slot, and lost and gained with their causes."""
    found = {"ideal": int(finder.ideal[0]), "same_slot": int(finder.same_slot[0])}
    for kind, by_cause in (("lost", finder.lost[0]), ("gained", finder.gained[0])):
        found |= {f"{kind} {cause}": int(n) for cause, n in zip(CAUSES, by_cause, strict=True)}
    return {name: n for name, n in found.items() if n}


def test_an_overwritten_veto_gains_a_trigger() -> None:
    hits = [(REFERENCE, 10 * TICK, FIRED), (OTHER, 10 * TICK, FIRED | 1), (OTHER, 10 * TICK + 5, FIRED)]
    finder = losses_of(hits, vetoing())
    assert counts(finder) == {"gained overwritten": 1}
    assert finder.cases == (Case("gained", "overwritten", 10 * TICK),)


def test_a_later_primitive_that_is_overwritten_alone_loses_nothing() -> None:
    hits = [(REFERENCE, 10 * TICK, FIRED), (OTHER, 10 * TICK, FIRED), (OTHER, 10 * TICK + 5, FIRED | 1)]
    assert counts(losses_of(hits, requiring())) == {"ideal": 1}


@pytest.mark.parametrize(("shift", "expected"), [(0, {"lost boundary": 1}), (FRAME, {})])
def test_a_hit_one_ns_away_is_lost_across_2048_ticks_and_found_across_a_frame(
    shift: int, expected: dict[str, int]
) -> None:
    hits = [(REFERENCE, ERA + shift + 5, FIRED), (OTHER, ERA + shift - 5, FIRED)]
    assert counts(losses_of(hits, requiring())) == {"ideal": 1} | expected


def test_a_hit_in_a_cut_wider_than_the_slots_is_lost_to_their_reach() -> None:
    registers = requiring(time_cut_lsb=np.full(N_DETECTORS, 5 * SLOT))
    for slots, expected in ((1, {}), (2, {"lost reach": 1}), (4, {"lost reach": 1})):
        hits = [(REFERENCE, 10 * TICK, FIRED), (OTHER, 10 * TICK + slots * SLOT, FIRED)]
        assert counts(losses_of(hits, registers)) == {"ideal": 1} | expected


def test_the_last_cause_on_the_ladder_counts() -> None:
    """Of two hits that the condition needs one of, one lies across the boundary, the other is overwritten."""
    hits = [
        (REFERENCE, ERA, FIRED),
        (OTHER, ERA - 5, FIRED),
        (OTHER, ERA + 5, FIRED),
        (OTHER, ERA + 6, 1),
    ]
    assert counts(losses_of(hits, requiring())) == {"ideal": 1, "lost overwritten": 1}


def test_the_reference_in_a_neighbour_slot_is_always_in_time_with_itself() -> None:
    """It requires a bit that only the other reference primitive has, outside the time cut of both."""
    registers = l0_cases.registers(**l0_cases.requiring(REFERENCE))
    hits = [(REFERENCE, 10 * TICK, 1), (REFERENCE, 10 * TICK + 2 * SLOT - 1, FIRED)]
    finder = losses_of(hits, replace(registers, time_cut_lsb=np.full(N_DETECTORS, SLOT)))
    assert counts(finder) == {"ideal": 1, "gained timing": 1}


def test_a_second_reference_primitive_in_a_slot_is_no_entry_of_its_own() -> None:
    """The firing of the first is lost; that of the second is the entry's."""
    finder = losses_of(
        [(REFERENCE, 10 * TICK, FIRED), (REFERENCE, 10 * TICK + 9, FIRED)], l0_cases.registers()
    )
    assert counts(finder) == {"ideal": 2, "same_slot": 1}
    assert finder.cases == (Case("same_slot", None, 10 * TICK),)


def test_an_entry_with_the_address_of_the_one_before_is_lost_to_the_same_slot() -> None:
    depth = l0_cases.RAM_SLOTS * SLOT
    hits = [(REFERENCE, t, FIRED) for t in (TICK, TICK + depth)]
    finder = losses_of(hits, l0_cases.registers(), depth // FRAME + 1)
    assert counts(finder) == {"ideal": 2, "same_slot": 1}
    assert finder.cases == (Case("same_slot", None, TICK + depth),)


def test_a_calibration_primitive_that_fires_a_veto_gains_a_trigger() -> None:
    finder = losses_of([(REFERENCE, 10 * TICK + 3, CALIBRATION | FIRED)], vetoing())
    assert counts(finder) == {"gained calibration": 1}
    assert finder.cases == (Case("gained", "calibration", 10 * TICK),)


def test_a_control_trigger_in_the_slot_of_a_reference_is_timed_by_it() -> None:
    """OTHER is in the cut of the control primitive, not in that of the reference."""
    control = 5
    registers = l0_cases.registers(
        **l0_cases.requiring(OTHER, row=CONTROL), control=control, enabled=np.arange(N_ROWS) == CONTROL
    )
    hits = [(REFERENCE, 10 * TICK, FIRED), (control, 10 * TICK + 40, FIRED), (OTHER, 10 * TICK + 80, FIRED)]
    finder = losses_of(hits, registers)
    assert finder.ideal[CONTROL] == 1
    assert finder.lost[CONTROL].tolist() == [cause == "timing" for cause in CAUSES]


def test_cases_name_what_the_same_tick_and_the_downscaling_take() -> None:
    registers = l0_cases.registers(downscale=np.full(N_ROWS, 1))
    times = [5 * TICK, 6 * TICK, 6 * TICK + SLOT, 7 * TICK]
    finder = losses_of([(REFERENCE, t, FIRED) for t in times], registers)
    assert finder.cases == (
        Case("same_tick", None, times[2]),
        Case("downscaled", None, times[0]),
        Case("downscaled", None, times[3]),
    )


def test_only_the_first_cases_are_kept() -> None:
    hits = [(REFERENCE, frame * FRAME + dt, FIRED) for frame in range(1, 8) for dt in (0, 9)]
    block = l0_cases.block_of(hits, 0, 9)
    finder, _ = find_losses(l0_cases.registers(), l0_cases.cut_block(block, [2, 5]), 0, 4)
    assert finder.cases == tuple(Case("same_slot", None, frame * FRAME) for frame in range(1, 5))


def test_a_row_that_is_off_counts_nothing() -> None:
    registers = l0_cases.registers(enabled=np.zeros(N_ROWS, np.bool_))
    assert counts(losses_of([(REFERENCE, 10 * TICK, FIRED)], registers)) == {}


def test_a_spill_of_no_blocks_or_no_frames_loses_nothing() -> None:
    for blocks in ([], [l0_cases.block_of([], 3, 0)]):
        finder, processor = find_losses(l0_cases.registers(), blocks)
        assert finder.closes(processor)
        assert not finder.ideal.any()


def test_an_input_without_a_name_or_a_stream_is_empty() -> None:
    block = l0_cases.block_of([(REFERENCE, 10 * TICK, FIRED), (OTHER, 10 * TICK, FIRED | 1)], 0, 2)
    processor = L0Processor(vetoing(), DETECTORS[:2], keep_entries=True)
    finder = LossFinder(vetoing(), DETECTORS[:2])
    processor.process(block)
    finder.process(block, processor.entries)
    assert finder.ideal[0] == 1
    assert finder.closes(processor)


@pytest.mark.parametrize("shift", [None, -1, 1])
def test_entries_of_another_block_are_refused(shift: int | None) -> None:
    block = l0_cases.block_of([(REFERENCE, 10 * TICK, FIRED)], 0, 2)
    processor = L0Processor(l0_cases.registers(), DETECTORS, keep_entries=shift is not None)
    processor.process(block)
    entries: Entries = processor.entries
    if shift is not None:
        entries = replace(entries, slot=entries.slot + shift * 1024)
    with pytest.raises(L0Error, match="these entries are not those of the block's candidates; give each"):
        LossFinder(l0_cases.registers(), DETECTORS).process(block, entries)


@pytest.mark.parametrize("row", [-1, N_ROWS])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    with pytest.raises(L0Error, match=f"there is no row {row}; masks are 0 to 15, the control trigger is 16"):
        LossFinder(l0_cases.registers(), DETECTORS, row)
