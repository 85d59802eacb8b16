from __future__ import annotations

from dataclasses import replace
from typing import Any

import l0_cases
import numpy as np
import pytest
from l0_cases import DETECTORS, ERA_FRAMES, FIRED, FRAME, TICK, Hit

from trigger.frames import Block, FrameStream
from trigger.l0.processor import L0Error, L0Processor
from trigger.l0.registers import CONTROL, N_DETECTORS, N_ROWS, L0Registers

A, REFERENCE, OTHER = 0, 1, 4
SLOT = 64
"""LSB in a slot of 2 fine-time bits, those of `l0_cases.registers`."""


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
    depth = l0_cases.RAM_SLOTS * TICK >> bits
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


def block_with(offsets: list[int], words: list[int], n_frames: int) -> Block:
    stream = FrameStream(0, np.array(offsets, np.int64), np.array(words, np.uint32))
    return Block(0, n_frames, {DETECTORS[REFERENCE]: stream})


@pytest.mark.parametrize(
    ("offsets", "words", "n_frames", "said"),
    [
        ([0, 2], [0x4000_0009, 0x4000_0003], 1, "not sorted by time"),
        ([0, 3, 1], [0x4000_0003], 2, "offsets"),
        ([0, 1], [0x4000_0003], 100_000, "not those of the block"),
        ([0, 5], [0x4000_0003], 1, "offsets do not run"),
    ],
)
def test_a_stream_that_the_kernel_could_not_take_is_refused_by_name(
    offsets: list[int], words: list[int], n_frames: int, said: str
) -> None:
    processor = L0Processor(l0_cases.registers(), DETECTORS)
    with pytest.raises(L0Error, match=f"^{DETECTORS[REFERENCE]}: .*{said}"):
        processor.process(block_with(offsets, words, n_frames))
