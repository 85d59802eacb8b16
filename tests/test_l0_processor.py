from __future__ import annotations

from dataclasses import replace
from typing import Any

import l0_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_cases import DETECTORS, FIRED, FRAME, TICK, Hit
from naive_l0 import NaiveL0, frames_of

from trigger.frames import Block
from trigger.l0.processor import ACCOUNTS, L0Error, L0Processor, Triggers
from trigger.l0.registers import CONTROL, N_DETECTORS, N_ROWS, L0Registers

A, REFERENCE, OTHER = 0, 1, 4
SLOT = 64
"""LSB in a slot of 2 fine-time bits, those of `l0_cases.registers`."""

RAM_SLOTS = 16384
ERA_FRAMES = 8
"""Frames in 2,048 ticks."""

checked = settings(deadline=None, derandomize=True, max_examples=100)


def naive_triggers(naive: NaiveL0, block: Block) -> Triggers:
    """Run the twin on a block and give its triggers the form of the processor's."""
    found = naive.run(frames_of(block, DETECTORS))
    slots = [[[id_ << 16 | time for id_, time in row] for row in t.slots] for t in found]
    return Triggers(
        np.array([t.timestamp * TICK + t.fine_time for t in found], np.int64),
        np.array([t.flags for t in found], np.uint16),
        np.array([t.word for t in found], np.uint8),
        np.array(slots, np.uint32).reshape(-1, 3, N_DETECTORS),
    )


def assert_agrees(registers: L0Registers, block: Block, start: list[int] | None = None) -> None:
    """Compare triggers, counts, account and counters of the processor with the twin's."""
    begin = start or [0] * N_ROWS
    processor = L0Processor(registers, DETECTORS, keep_slots=True, downscaling_counters=np.array(begin))
    naive = NaiveL0(registers, list(begin))
    expected = naive_triggers(naive, block)
    assert l0_cases.same(l0_cases.run(processor, [block]), expected)
    assert processor.account == naive.account
    assert processor.before_downscaling.tolist() == naive.before
    assert processor.after_downscaling.tolist() == naive.after
    assert processor.lost_same_tick.tolist() == naive.same_tick
    assert processor.downscaling_counters.tolist() == naive.counters


@st.composite
def setups(draw: st.DrawFn) -> tuple[L0Registers, np.random.Generator]:
    """Draw registers, and a generator for more."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    reference = draw(st.integers(0, N_DETECTORS - 1))
    control = draw(st.none() | st.integers(0, N_DETECTORS - 1))
    return l0_cases.random_registers(rng, draw(st.integers(0, 3)), reference, control), rng


@st.composite
def streams(draw: st.DrawFn, bits: int) -> Block:
    """Draw a few primitives, most of them near one of a few times that lie at borders or anywhere."""
    n_frames = draw(st.integers(1, 10))
    first_frame = draw(st.sampled_from([0, 1, ERA_FRAMES - 1, 1000, 2**22 - 3]))
    slot = TICK >> bits
    time = st.sampled_from([0, slot, TICK, FRAME - 1]) | st.integers(0, FRAME - 1)
    centres = [
        draw(st.integers(0, n_frames - 1)) * FRAME + draw(time) for _ in range(draw(st.integers(1, 4)))
    ]
    near = st.sampled_from([-2 * slot, -slot, -64, -3, 0, 0, 1, 3, 63, 64, slot, 2 * slot])
    hit = st.tuples(
        st.integers(0, N_DETECTORS - 1),
        st.builds(lambda t, dt: min(max(t + dt, 0), n_frames * FRAME - 1), st.sampled_from(centres), near),
        st.sampled_from(l0_cases.IDS),
    )
    hits = [(d, first_frame * FRAME + t, i) for d, t, i in draw(st.lists(hit, max_size=40))]
    return l0_cases.block_of(hits, first_frame, n_frames)


@checked
@given(st.data())
def test_the_processor_agrees_with_its_twin_on_any_few_primitives(data: st.DataObject) -> None:
    registers, _ = data.draw(setups())
    assert_agrees(registers, data.draw(streams(registers.fine_time_bits)))


@pytest.mark.parametrize("control", ["none", "reference", "another"])
@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_the_processor_agrees_with_its_twin_on_dense_streams(bits: int, control: str) -> None:
    rng = np.random.default_rng([bits, *control.encode()])
    for per_frame, first_frame in ((2.0, 0), (30.0, 5), (300.0, 1001)):
        reference = int(rng.integers(N_DETECTORS))
        detector = {"none": None, "reference": reference, "another": (reference + 3) % N_DETECTORS}[control]
        registers = l0_cases.random_registers(rng, bits, reference, detector)
        n_frames = int(min(60, 3000 // per_frame))
        hits = l0_cases.random_hits(rng, first_frame, n_frames, per_frame)
        assert_agrees(registers, l0_cases.block_of(hits, first_frame, n_frames))


@pytest.mark.parametrize("control", ["none", "another"])
@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_the_processor_agrees_with_its_twin_at_the_edges_of_eras(bits: int, control: str) -> None:
    """A few primitives within two slots of each multiple of 2,048 ticks."""
    rng = np.random.default_rng([bits, *control.encode()])
    eras, slot = 40, TICK >> bits
    for _ in range(5):
        reference = int(rng.integers(N_DETECTORS))
        detector = None if control == "none" else (reference + 3) % N_DETECTORS
        registers = l0_cases.random_registers(rng, bits, reference, detector)
        n = int(rng.integers(50, 500))
        edges = rng.integers(1, eras, n) * ERA_FRAMES * FRAME
        times = edges + rng.choice([-slot - 1, -slot, -9, -1, 0, 1, 9, slot - 1, slot], n)
        hits = zip(
            rng.integers(0, N_DETECTORS, n).tolist(),
            times.tolist(),
            rng.choice(l0_cases.IDS, n, p=l0_cases.ID_ODDS).tolist(),
            strict=True,
        )
        assert_agrees(registers, l0_cases.block_of(hits, 0, eras * ERA_FRAMES))


@checked
@given(setups(), st.lists(st.integers(0, 18), max_size=20))
def test_the_answer_does_not_depend_on_how_the_stream_is_cut(
    setup: tuple[L0Registers, np.random.Generator], cuts: list[int]
) -> None:
    registers, rng = setup
    block = l0_cases.block_of(l0_cases.random_hits(rng, 1014, 18, 20.0), 1014, 18)
    whole, pieces = (L0Processor(registers, DETECTORS, keep_slots=True) for _ in range(2))
    expected = l0_cases.run(whole, [block])
    assert l0_cases.same(l0_cases.run(pieces, l0_cases.cut_block(block, cuts)), expected)
    assert pieces.account == whole.account
    assert pieces.downscaling_counters.tolist() == whole.downscaling_counters.tolist()


def test_a_frame_is_settled_when_the_next_one_is_known() -> None:
    block = l0_cases.block_of([(REFERENCE, f * FRAME + 5000, FIRED) for f in range(3)], 0, 3)
    processor = L0Processor(l0_cases.registers(), DETECTORS)
    settled = [len(processor.process(b)) for b in l0_cases.cut_block(block, [1, 2])]
    assert settled == [0, 1, 1]
    assert len(processor.finish()) == 1
    assert len(processor.finish()) == 0


def test_an_entry_in_slot_0_at_the_start_of_a_burst_is_skipped() -> None:
    hits = [(REFERENCE, t, FIRED) for t in (0, SLOT - 1, 5 * TICK)]
    assert l0_cases.triggers_of(hits, l0_cases.registers(), 0, 1).time_lsb.tolist() == [5 * TICK]


@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_of_two_references_16384_slots_apart_the_second_is_skipped(bits: int) -> None:
    depth = RAM_SLOTS * TICK >> bits
    registers = l0_cases.registers(fine_time_bits=bits)
    first, last = 777 * TICK, 777 * TICK + depth
    n_frames = last // FRAME + 1
    both = [(REFERENCE, first, FIRED), (REFERENCE, last, FIRED)]
    assert l0_cases.triggers_of(both, registers, 0, n_frames).time_lsb.tolist() == [first]
    between = [*both, (REFERENCE, first + 9 * TICK, FIRED)]
    assert len(l0_cases.triggers_of(between, registers, 0, n_frames)) == 3


@pytest.mark.parametrize(("frame", "found"), [(ERA_FRAMES, False), (ERA_FRAMES - 1, True)])
def test_a_neighbour_is_found_across_a_frame_edge_but_not_across_2048_ticks(frame: int, found: bool) -> None:
    registers = l0_cases.registers(**l0_cases.requiring(OTHER))
    edge = frame * FRAME
    for reference, other in ((edge - 3, edge + 3), (edge + 3, edge - 3)):
        hits = [(REFERENCE, reference, FIRED), (OTHER, other, FIRED)]
        triggers = l0_cases.triggers_of(hits, registers, 0, 2 * ERA_FRAMES)
        assert len(triggers) == found


def test_in_the_shallowest_ram_the_era_begins_again_behind_its_last_slot() -> None:
    """Of 3 fine-time bits 16,384 slots are 2,048 ticks. Times are compared modulo a frame."""
    registers = l0_cases.registers(fine_time_bits=3, **l0_cases.requiring(OTHER))
    end = ERA_FRAMES * FRAME
    hits = [(OTHER, 3, FIRED), (REFERENCE, end - 1, FIRED)]
    assert l0_cases.triggers_of(hits, registers, 0, ERA_FRAMES).ids[0, 2, OTHER] == FIRED
    hits.append((OTHER, end + 4, FIRED))
    assert len(l0_cases.triggers_of(hits, registers, 0, ERA_FRAMES + 1)) == 0


@pytest.mark.parametrize("cut", [1, 64, 32767])
def test_the_time_cut_is_strict(cut: int) -> None:
    cuts = np.full(N_DETECTORS, 64)
    cuts[OTHER] = cut
    registers = l0_cases.registers(time_cut_lsb=cuts, **l0_cases.requiring(OTHER))
    time = 700 * TICK + 2 * SLOT - 1
    for dt in (cut - 1, cut):
        hits = [(REFERENCE, time, FIRED), (OTHER, time - dt, FIRED)]
        inside = dt < cut and dt < 2 * SLOT
        assert len(l0_cases.triggers_of(hits, registers, 0, 3)) == inside


def test_a_cut_of_zero_shuts_out_even_the_reference() -> None:
    """Compared with itself its time difference is 0, which is not below 0."""
    cuts = np.full(N_DETECTORS, 64)
    cuts[REFERENCE] = 0
    registers = l0_cases.registers(time_cut_lsb=cuts, **l0_cases.requiring(REFERENCE))
    assert len(l0_cases.triggers_of([(REFERENCE, 9999, FIRED)], registers, 0, 1)) == 0


def test_a_cut_of_zero_shuts_a_detector_out() -> None:
    cuts = np.full(N_DETECTORS, 64)
    cuts[OTHER] = 0
    registers = l0_cases.registers(time_cut_lsb=cuts, **l0_cases.requiring(OTHER))
    assert len(l0_cases.triggers_of([(REFERENCE, 9999, FIRED), (OTHER, 9999, FIRED)], registers, 0, 1)) == 0


def test_the_last_primitive_of_a_slot_erases_the_others() -> None:
    """The veto of the first is lost, and a second reference moves the time of the trigger."""
    veto = l0_cases.requiring()
    for words in veto.values():
        words[0, OTHER] &= ~1
    slot = 100 * TICK
    hits = [(OTHER, slot + 5, FIRED | 1), (REFERENCE, slot + 6, FIRED), (REFERENCE, slot + 9, FIRED)]
    assert len(l0_cases.triggers_of(hits, l0_cases.registers(**veto), 0, 1)) == 0
    hits.append((OTHER, slot + 20, FIRED))
    triggers = l0_cases.triggers_of(hits, l0_cases.registers(**veto), 0, 1)
    assert triggers.time_lsb.tolist() == [slot + 9]
    assert triggers.ids[0, 0].tolist() == [0, FIRED, 0, 0, FIRED, 0, 0]
    assert triggers.fine_times[0, 0].tolist() == [0, 9, 0, 0, 20, 0, 0]


def test_slots_are_reported_without_time_cut() -> None:
    hits = [(REFERENCE, 100 * TICK, FIRED), (A, 100 * TICK - SLOT, 2), (OTHER, 100 * TICK + 2 * SLOT - 1, 3)]
    triggers = l0_cases.triggers_of(hits, l0_cases.registers(time_cut_lsb=np.ones(7, int)), 0, 1)
    assert triggers.ids[0].tolist() == [
        [0, FIRED, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 3, 0, 0],
    ]


def test_neighbours_of_the_reference_itself_pass_any_cut() -> None:
    """The firmware compares them with themselves."""
    words = l0_cases.requiring()
    words["dontcare"][0, REFERENCE] &= ~3
    registers = l0_cases.registers(time_cut_lsb=np.ones(N_DETECTORS, int), **words)
    hits = [(REFERENCE, 100 * TICK, FIRED | 1), (REFERENCE, 100 * TICK + 2 * SLOT - 1, 2)]
    assert l0_cases.triggers_of(hits, registers, 0, 1).time_lsb.tolist() == [100 * TICK]


def test_a_calibration_primitive_of_the_reference_triggers_at_time_0_of_its_tick() -> None:
    hits = [(REFERENCE, 100 * TICK + 77, 0x8000 | FIRED)]
    triggers = l0_cases.triggers_of(hits, l0_cases.registers(), 0, 1)
    assert triggers.time_lsb.tolist() == [100 * TICK]
    assert not triggers.slots.any()


@pytest.mark.parametrize("id_", [0, 0x8000, 0x8000 | FIRED])
def test_ids_of_zero_and_calibration_primitives_do_not_enter_the_ram(id_: int) -> None:
    hits = [(REFERENCE, 9999, FIRED), (REFERENCE, 9999, id_), (OTHER, 9999, FIRED), (OTHER, 9999, id_)]
    registers = l0_cases.registers(**l0_cases.requiring(REFERENCE, OTHER))
    triggers = l0_cases.triggers_of(hits, registers, 0, 1)
    assert triggers.ids[0, 0].tolist() == [0, FIRED, 0, 0, FIRED, 0, 0]


def test_an_id_of_zero_makes_no_entry() -> None:
    assert len(l0_cases.triggers_of([(REFERENCE, 9999, 0)], l0_cases.registers(), 0, 1)) == 0


def test_an_id_of_zero_is_discarded_before_the_streams_are_merged() -> None:
    hits = [(REFERENCE, 9000, 0), (REFERENCE, 9001, FIRED), (A, 9002, FIRED)]
    assert l0_cases.triggers_of(hits, with_control(), 0, 1).word.tolist() == [0x11]


def with_control(**changes: Any) -> L0Registers:
    rows = np.isin(np.arange(N_ROWS), [0, CONTROL])
    return l0_cases.registers(control=A, enabled=rows, **changes)


def test_a_reference_and_a_control_in_one_slot_make_one_trigger_with_both_words() -> None:
    hits = [(REFERENCE, 9000, FIRED), (A, 9001, FIRED), (A, 20000, FIRED), (REFERENCE, 30000, FIRED)]
    triggers = l0_cases.triggers_of(hits, with_control(), 0, 1)
    assert triggers.time_lsb.tolist() == [9000, 20000, 30000]
    assert triggers.word.tolist() == [0x11, 0x10, 0x01]
    assert triggers.flags.tolist() == [1, 0, 1]


def test_one_trigger_a_tick_and_what_is_lost_to_it_is_not_counted() -> None:
    hits = [(REFERENCE, 100 * TICK + s * SLOT, FIRED) for s in range(6)]
    processor = L0Processor(l0_cases.registers(), DETECTORS)
    triggers = l0_cases.run(processor, [l0_cases.block_of(hits, 0, 1)])
    assert triggers.time_lsb.tolist() == [100 * TICK, 101 * TICK]
    assert processor.before_downscaling[0] == 2
    assert processor.lost_same_tick[0] == 4


def test_an_entry_that_downscaling_takes_leaves_its_tick_free() -> None:
    hits = [(REFERENCE, 100 * TICK + s * SLOT, FIRED) for s in range(4)]
    downscale = np.ones(N_ROWS, np.int64)
    triggers = l0_cases.triggers_of(hits, l0_cases.registers(downscale=downscale), 0, 1)
    assert triggers.time_lsb.tolist() == [100 * TICK + SLOT]


def test_downscaling_keeps_every_nth_firing_and_the_nth_first() -> None:
    hits = [(REFERENCE, k * 10 * TICK, FIRED) for k in range(1, 23)]
    downscale = np.full(N_ROWS, 4)
    processor = L0Processor(l0_cases.registers(downscale=downscale), DETECTORS)
    triggers = l0_cases.run(processor, [l0_cases.block_of(hits, 0, 1)])
    assert (triggers.time_lsb // (10 * TICK)).tolist() == [5, 10, 15, 20]
    assert processor.downscaling_counters[0] == 2


def test_a_counter_that_stands_above_its_register_never_fires() -> None:
    registers = l0_cases.registers(downscale=np.full(N_ROWS, 2))
    hits = [(REFERENCE, k * 10 * TICK, FIRED) for k in range(1, 9)]
    assert_agrees(registers, l0_cases.block_of(hits, 0, 1), [5] * N_ROWS)


def test_a_disabled_row_neither_fires_nor_counts() -> None:
    registers = l0_cases.registers(enabled=np.zeros(N_ROWS, bool))
    processor = L0Processor(registers, DETECTORS)
    assert len(l0_cases.run(processor, [l0_cases.block_of([(REFERENCE, 9999, FIRED)], 0, 1)])) == 0
    assert processor.before_downscaling.sum() == 0
    assert processor.account["rejected"] == 1


@pytest.mark.parametrize("tick", [-1, 99, 100, 300, 2000])
def test_entries_up_to_the_tick_to_ignore_trigger_nothing(tick: int) -> None:
    ticks = [100, 101, 255, 256, 300, 301, 1999, 2000, 2001]
    hits = [(REFERENCE, t * TICK + 7, FIRED) for t in ticks]
    registers = l0_cases.registers(ignore_until_tick=tick)
    triggers = l0_cases.triggers_of(hits, registers, 0, 9)
    assert (triggers.time_lsb // TICK).tolist() == [t for t in ticks if t > tick]
    assert_agrees(registers, l0_cases.block_of(hits, 0, 9))


@checked
@given(setups(), st.integers(-1, 11 * 256))
def test_the_processor_agrees_with_its_twin_on_what_it_ignores(
    setup: tuple[L0Registers, np.random.Generator], tick: int
) -> None:
    registers = replace(setup[0], ignore_until_tick=tick)
    assert_agrees(registers, l0_cases.block_of(l0_cases.random_hits(setup[1], 3, 8, 12.0), 3, 8))


@checked
@given(setups())
def test_two_spills_with_the_counters_carried_over_count_as_one_long_spill(
    setup: tuple[L0Registers, np.random.Generator],
) -> None:
    """Far from frame edges, and with a last entry whose address is not that of the first."""
    registers, rng = setup
    depth = RAM_SLOTS * TICK >> registers.fine_time_bits
    n_frames = 2 * depth // FRAME
    hits = [
        (d, t, i)
        for d, t, i in l0_cases.random_hits(rng, 0, n_frames, 1.0)
        if 2000 < t % FRAME < FRAME - 2000
    ]
    hits += [(registers.reference, t, FIRED) for t in (FRAME // 2, n_frames * FRAME - FRAME // 3)]
    first = l0_cases.block_of(hits, 0, n_frames)
    again = [(d, t + n_frames * FRAME, i) for d, t, i in hits]
    one, long = (L0Processor(registers, DETECTORS) for _ in range(2))
    a = l0_cases.run(one, [first])
    two = L0Processor(registers, DETECTORS, downscaling_counters=one.downscaling_counters)
    b = l0_cases.run(two, [first])
    both = l0_cases.run(long, [l0_cases.block_of([*hits, *again], 0, 2 * n_frames)])
    assert both.flags.tolist() == [*a.flags.tolist(), *b.flags.tolist()]
    assert both.word.tolist() == [*a.word.tolist(), *b.word.tolist()]
    assert long.downscaling_counters.tolist() == two.downscaling_counters.tolist()


@checked
@given(setups())
def test_the_account_closes(setup: tuple[L0Registers, np.random.Generator]) -> None:
    registers, rng = setup
    block = l0_cases.block_of(l0_cases.random_hits(rng, 2, 6, 30.0), 2, 6)
    processor = L0Processor(registers, DETECTORS)
    triggers = l0_cases.run(processor, [block])
    account = processor.account
    assert tuple(account) == ACCOUNTS
    inputs = [registers.reference, *([] if registers.control is None else [registers.control])]
    assert account["words"] == sum(len(block.streams[DETECTORS[d]].words) for d in inputs)
    assert account["words"] == sum(n for name, n in account.items() if name != "words")
    assert account["triggers"] == len(triggers)
    after = processor.after_downscaling
    assert after[:CONTROL].sum() == sum(int(f).bit_count() for f in triggers.flags)
    assert after[CONTROL] == np.count_nonzero(triggers.word & 0x10)
    assert (processor.before_downscaling >= after).all()


def test_without_slots_the_triggers_are_the_same() -> None:
    rng = np.random.default_rng(5)
    registers = l0_cases.registers(control=A, **l0_cases.requiring(OTHER))
    block = l0_cases.block_of(l0_cases.random_hits(rng, 1, 10, 200.0), 1, 10)
    with_slots, without = (
        l0_cases.run(L0Processor(registers, DETECTORS, keep_slots=keep), [block]) for keep in (True, False)
    )
    assert len(without) > 50
    assert len(without.slots) == 0
    assert l0_cases.same(replace(with_slots, slots=without.slots), without)


def test_a_detector_that_is_not_in_the_blocks_is_an_empty_input() -> None:
    hits: list[Hit] = [(REFERENCE, 9999, FIRED), (OTHER, 9999, FIRED)]
    full = l0_cases.block_of(hits, 0, 1)
    sparse = replace(full, streams={d: full.streams[d] for d in (DETECTORS[REFERENCE], DETECTORS[OTHER])})
    few = replace(full, streams={DETECTORS[REFERENCE]: full.streams[DETECTORS[REFERENCE]]})
    processors = [L0Processor(l0_cases.registers(), DETECTORS, keep_slots=True) for _ in range(3)]
    expected, found, lone = (
        l0_cases.run(p, [b]) for p, b in zip(processors, (full, sparse, few), strict=True)
    )
    assert l0_cases.same(found, expected)
    assert len(lone) == 1
    assert not lone.ids[0, :, OTHER].any()


def test_the_blocks_given_may_be_overwritten_afterwards() -> None:
    """A spill reader uses its buffers again."""
    rng = np.random.default_rng(6)
    registers = l0_cases.registers(control=A, **l0_cases.requiring(OTHER))
    block = l0_cases.block_of(l0_cases.random_hits(rng, 0, 12, 200.0), 0, 12)
    expected = l0_cases.run(L0Processor(registers, DETECTORS), [block])
    processor = L0Processor(registers, DETECTORS)
    times = []
    for piece in l0_cases.cut_block(block, [1, 2, 5, 5, 9]):
        buffers = {
            d: replace(s, offsets=s.offsets.copy(), words=s.words.copy()) for d, s in piece.streams.items()
        }
        times += processor.process(replace(piece, streams=buffers)).time_lsb.tolist()
        for buffer in buffers.values():
            buffer.words[:] = 0xFFFF_FFFF
            buffer.offsets[:] = 0
    times += processor.finish().time_lsb.tolist()
    assert len(times) > 50
    assert times == expected.time_lsb.tolist()


@pytest.mark.parametrize("first_frame", [0, 2, 4])
def test_a_block_that_does_not_follow_is_refused(first_frame: int) -> None:
    processor = L0Processor(l0_cases.registers(), DETECTORS)
    processor.process(l0_cases.block_of([], 1, 2))
    with pytest.raises(
        L0Error, match=f"block begins at frame {first_frame}, expected 3; feed blocks in order"
    ):
        processor.process(l0_cases.block_of([], first_frame, 1))


def test_more_detectors_than_inputs_are_refused() -> None:
    with pytest.raises(L0Error, match="the processor has 7 inputs"):
        L0Processor(l0_cases.registers(), [*DETECTORS, "H"])


def test_a_burst_without_frames_has_no_triggers() -> None:
    assert len(l0_cases.run(L0Processor(l0_cases.registers(), DETECTORS, keep_slots=True), [])) == 0
