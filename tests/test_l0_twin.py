"""The L0 processor as a whole against its naive twin, on random streams."""

from __future__ import annotations

from dataclasses import replace

import l0_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_cases import DETECTORS, ERA_FRAMES, FIRED, FRAME, RAM_SLOTS, TICK
from naive_l0 import NaiveL0, Noted, frames_of
from numpy.typing import NDArray

from trigger.frames import Block
from trigger.l0.entries import join_entries
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, N_DETECTORS, N_ROWS, L0Registers
from trigger.l0.triggers import ACCOUNTS, Triggers

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


def entries_of(registers: L0Registers, blocks: list[Block], start: NDArray[np.int64]) -> list[Noted]:
    """Return the entries that a processor notes, in the form of the twin's."""
    processor = L0Processor(registers, DETECTORS, keep_entries=True, downscaling_counters=start)
    parts = []
    for block in blocks:
        processor.process(block)
        parts.append(processor.entries)
    processor.finish()
    parts.append(processor.entries)
    found = join_entries(parts)
    return [
        Noted(int(time), int(slot), int(tag), ids.tolist(), int(fired), int(kept), ACCOUNTS[fate])
        for time, slot, tag, ids, fired, kept, fate in zip(
            found.time_lsb,
            found.slot,
            found.tags,
            found.ids,
            found.fired,
            found.kept,
            found.fate,
            strict=True,
        )
    ]


def assert_agrees(registers: L0Registers, block: Block, start: list[int] | None = None) -> None:
    """Compare triggers, counts, account and counters of the processor with the twin's."""
    begin = start or [0] * N_ROWS
    start_from = np.array(begin)
    processor = L0Processor(registers, DETECTORS, keep_slots=True, downscaling_counters=start_from)
    naive = NaiveL0(registers, list(begin))
    expected = naive_triggers(naive, block)
    assert l0_cases.same(l0_cases.run(processor, [block]), expected)
    assert entries_of(registers, [block], start_from) == naive.noted
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


def test_a_counter_that_stands_above_its_register_never_fires() -> None:
    registers = l0_cases.registers(downscale=np.full(N_ROWS, 2))
    hits = [(registers.reference, k * 10 * TICK, FIRED) for k in range(1, 9)]
    assert_agrees(registers, l0_cases.block_of(hits, 0, 1), [5] * N_ROWS)


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
