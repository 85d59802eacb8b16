"""Each part of the L0 kernel against its obvious twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trigger.jit import inline
from trigger.l0 import accept, alignment, coincidence, vector
from trigger.l0.registers import CONTROL, N_DETECTORS, N_ROWS
from trigger.l0.vector import LANES

FRAME_SLOTS = {bits: 256 << bits for bits in range(4)}
PHYSICS = int(alignment.PHYSICS_MASKS)
CONTROL_BIT = int(alignment.CONTROL_MASK)

seeded = settings(deadline=None, derandomize=True, max_examples=60)
seeds = st.integers(0, 2**32)


def frame_words(rng: np.random.Generator, n: int, bits: int, with_id_0: bool = True) -> NDArray[np.uint32]:
    """Return n words of a frame in order of time, many of them in the first, the last and neighbouring slots."""
    n_slots = FRAME_SLOTS[bits]
    slot = np.where(rng.random(n) < 0.3, rng.choice([0, 0, n_slots - 1], n), rng.integers(0, n_slots, n))
    slot = np.where(rng.random(n) < 0.5, np.minimum(slot, n // 2), slot)
    time = np.sort(slot * (65536 // n_slots) + rng.integers(0, 65536 // n_slots, n))
    ids = rng.choice([0 if with_id_0 else 7, 1, 0x4001, 0x7FFF, 0x8000, 0xC001], n)
    return (ids << 16 | time).astype(np.uint32)


def slot_of(word: int, bits: int) -> int:
    return (word & 0xFFFF) >> (8 - bits)


def in_ram(word: int) -> bool:
    return 0x1_0000 <= word < 0x8000_0000


@inline
def call_or_slots(
    rows: Any, first: Any, lane: Any, start: Any, width: Any, cuts: Any, low: Any, high: Any, entry: Any
) -> None:
    """Call an intrinsic, which only compiled code can."""
    vector.or_slots(rows, first, lane, start, width, cuts, low, high, entry)


@seeded
@given(seeds)
def test_or_slots_is_its_plain_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2**31, 5 * LANES, dtype=np.uint32)
    near = rng.random(len(rows)) < 0.6
    rows[near] = rows[near] & 0xFFFF_0000 | rng.choice([0, 5, 60, 64, 124, 65535, 65472], near.sum())
    rows[rng.random(len(rows)) < 0.2] = 0
    cut = rng.choice([0, 1, 64, 120, 32767], 2 * LANES)
    start = (1 - cut).astype(np.uint32)
    width = np.where(rng.random(2 * LANES) < 0.2, 65536, np.maximum(2 * cut - 1, 0)).astype(np.uint32)
    first, lane, cuts = (
        LANES * int(rng.integers(1, 4)),
        int(rng.integers(LANES)),
        LANES * int(rng.integers(2)),
    )
    found, expected = (np.zeros((2, 3), np.uint64) for _ in range(2))
    call_or_slots(rows, first, lane, start, width, cuts, found[0], found[1], 1)
    vector._or_slots_plain(rows, first, lane, start, width, cuts, expected[0], expected[1], 1)
    assert found.tolist() == expected.tolist()


@seeded
@given(seeds)
def test_a_mask_fires_where_all_bits_agree_and_the_tag_allows_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 40))
    words = rng.choice([0, 1, 0x4000, 0x4001], (n, LANES), p=[0.6, 0.2, 0.1, 0.1]).astype(np.uint16)
    kinds = np.array([(0x7FFF, 0x7FFF), (0x7FFF, 0x3FFF), (0x7FFE, 0x7FFE), (0x7FFE, 0x7FFF)])
    choice = rng.choice(4, (N_ROWS, LANES), p=[0.88, 0.06, 0.055, 0.005])
    mask, dontcare = kinds[choice, 0].astype(np.uint16), kinds[choice, 1].astype(np.uint16)
    active = np.flatnonzero(rng.random(N_ROWS) < 0.7)
    allowed = rng.choice([0, PHYSICS, CONTROL_BIT, PHYSICS | CONTROL_BIT], n).astype(np.uint64)
    fired, sums = np.full(n + 2, 99, np.uint64), np.full(N_ROWS, 99)
    s, m, d = (np.ascontiguousarray(a).view(np.uint64).reshape(-1, 2) for a in (words, mask, dontcare))
    low, high = np.ascontiguousarray(s[:, 0]), np.ascontiguousarray(s[:, 1])
    coincidence.fire_masks(low, high, allowed, n, active, m, d, fired, sums)
    met = ((words[:, None] | dontcare) == mask).all(axis=2)
    expected = [[bool(met[i, k]) and bool(int(allowed[i]) >> k & 1) for k in active] for i in range(n)]
    assert [[bool(int(f) >> int(k) & 1) for k in active] for f in fired[:n]] == expected
    assert not any(int(f) & ~sum(1 << int(k) for k in active) for f in fired[:n])
    assert sums[active].tolist() == np.array(expected, int).reshape(n, len(active)).sum(axis=0).tolist()


def plain_merge(reference: list[int], control: list[int], bits: int) -> tuple[list[tuple[int, int]], int]:
    """Merge the heads of two FIFOs; return [(slot, masks)] and the number of pairs."""
    r, c = ([slot_of(w, bits) for w in q] for q in (reference, control))
    merged, pairs = [], 0
    while r or c:
        head = min(r[:1] + c[:1])
        masks = PHYSICS * (r[:1] == [head]) | CONTROL_BIT * (c[:1] == [head])
        pairs += masks == PHYSICS | CONTROL_BIT
        merged.append((head, masks))
        r, c = r[r[:1] == [head] :], c[c[:1] == [head] :]
    entries = [e for k, e in enumerate(merged) if k == 0 or e[0] != merged[k - 1][0]]
    return entries, pairs


class Merged:
    """What `merge_entries` makes of two frames of words."""

    def __init__(self, reference: NDArray[np.uint32], control: NDArray[np.uint32], bits: int) -> None:
        n_slots = FRAME_SLOTS[bits]
        slot, allowed = np.full(n_slots + 1, -1, np.int32), np.zeros(n_slots + 1, np.uint64)
        row, self.near = np.zeros(n_slots + 1, np.int32), np.zeros(n_slots + 2, np.uint16)
        n, self.pairs, self.used = alignment.merge_entries(
            reference, 0, len(reference), control, 0, len(control), np.uint32(8 - bits),
            slot, allowed, row, self.near,
        )  # fmt: skip
        self.slots, self.allowed, self.rows = slot[:n].tolist(), allowed[:n].tolist(), row[:n].tolist()


@seeded
@given(seeds, st.integers(0, 3))
def test_entries_are_the_merged_heads_of_both_streams(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    reference, control = (frame_words(rng, int(rng.integers(0, 60)), bits, False) for _ in range(2))
    merged = Merged(reference, control, bits)
    expected = plain_merge(reference.tolist(), control.tolist(), bits)
    assert (list(zip(merged.slots, merged.allowed, strict=True)), merged.pairs) == expected


@seeded
@given(seeds, st.integers(0, 3))
def test_slots_next_to_an_entry_get_rows_of_their_own_and_neighbours_are_neighbours(
    seed: int, bits: int
) -> None:
    rng = np.random.default_rng(seed)
    reference, control = (frame_words(rng, int(rng.integers(0, 60)), bits, False) for _ in range(2))
    merged = Merged(reference, control, bits)
    for s, r in zip(merged.slots, merged.rows, strict=True):
        assert merged.near[s : s + 3].tolist() == [r - 1, r, r + 1]
    wanted = {s + d for s in merged.slots for d in (0, 1, 2)}
    assert set(np.flatnonzero(merged.near).tolist()) == wanted
    assert len(set(merged.near[list(wanted)].tolist())) == len(wanted)
    assert merged.near.max() < merged.used <= len(wanted) + len(merged.slots) + 2


@seeded
@given(seeds, st.integers(0, 3))
def test_a_row_keeps_the_last_primitive_of_its_slot(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    words = frame_words(rng, int(rng.integers(0, 60)), bits)
    n_slots = FRAME_SLOTS[bits]
    near = np.zeros(n_slots + 2, np.uint16)
    kept = rng.choice(n_slots, n_slots // 2, replace=False)
    near[1 + kept] = 1 + np.arange(len(kept))
    rows = np.zeros((n_slots + 3) * LANES, np.uint32)
    detector = int(rng.integers(N_DETECTORS))
    alignment.fill_rows(words, 0, len(words), detector, np.uint32(8 - bits), near, rows)
    last = {slot_of(w, bits): w for w in words.tolist() if in_ram(w)}
    table = rows.reshape(-1, LANES)
    assert table[1 + np.arange(len(kept)), detector].tolist() == [last.get(s, 0) for s in kept.tolist()]
    table[:, detector] = 0
    assert not table.any()


@seeded
@given(seeds, st.integers(0, 3))
def test_the_first_and_the_last_slot_of_a_frame_hold_their_last_primitive(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    words = frame_words(rng, int(rng.integers(0, 30)), bits)
    begin, end = sorted(rng.integers(0, len(words) + 1, 2).tolist())
    last = {slot_of(w, bits): w for w in words[begin:end].tolist() if in_ram(w)}
    shift, final = np.uint32(8 - bits), FRAME_SLOTS[bits] - 1
    assert alignment.first_slot(words, begin, end, shift) == last.get(0, 0)
    assert alignment.last_of_slot(words, begin, end, final, shift) == last.get(final, 0)


def plain_accept(
    fired: list[int], ticks: list[int], downscale: list[int], counter: list[int]
) -> tuple[list[tuple[int, int]], int, NDArray[np.int64]]:
    """Accept entry by entry; return [(entry, surviving masks)], entries lost to the same tick, sums of the rows."""
    lines = np.zeros((3, N_ROWS), np.int64)
    triggers: list[tuple[int, int]] = []
    lost = 0
    for i, masks in enumerate(fired):
        rows = [m for m in range(N_ROWS) if masks >> m & 1]
        if rows and triggers and ticks[triggers[-1][0]] == ticks[i]:
            lost += 1
            lines[2, rows] += 1
            continue
        surviving = 0
        for m in rows:
            lines[0, m] += 1
            counter[m] += 1
            if counter[m] == downscale[m] + 1:
                counter[m] = 0
                lines[1, m] += 1
                surviving |= 1 << m
        if surviving:
            triggers.append((i, surviving))
    return triggers, lost, lines


@seeded
@given(seeds)
def test_entries_are_accepted_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = int(rng.integers(0, 4))
    n = int(rng.integers(0, 120))
    slot = np.sort(rng.choice(rng.integers(n, FRAME_SLOTS[bits] + 1) if n else 1, n, replace=False))
    slot = slot.astype(np.int32)
    active = np.flatnonzero(rng.random(N_ROWS) < 0.6)
    odds = rng.choice([0.0, 0.1, 0.6], N_ROWS)
    fired = np.zeros(n, np.uint64)
    for m in active.tolist():
        fired |= (rng.random(n) < odds[m]).astype(np.uint64) << np.uint64(m)
    sums = np.array([int(((fired >> np.uint64(m)) & np.uint64(1)).sum()) for m in range(N_ROWS)])
    downscale = rng.choice([0, 1, 2, 7, 50, 2**32 - 1], N_ROWS)
    counter = rng.integers(0, np.minimum(downscale, 60) + 1)
    plain_counter = counter.tolist()
    expected, expected_lost, expected_lines = plain_accept(
        fired.tolist(), (slot >> bits).tolist(), downscale.tolist(), plain_counter
    )
    before, after, same_tick = (np.zeros(N_ROWS, np.int64) for _ in range(3))
    passed, flags = np.zeros(FRAME_SLOTS[bits] + 1, np.int32), np.zeros(FRAME_SLOTS[bits], np.uint64)
    walking = np.zeros(N_ROWS, np.int64)
    triggers, lost = accept.accept_entries(
        n,
        fired,
        slot,
        bits,
        active,
        sums,
        downscale,
        counter,
        before,
        after,
        same_tick,
        walking,
        passed,
        flags,
    )
    assert list(zip(passed[:triggers].tolist(), flags[:triggers].tolist(), strict=True)) == expected
    assert lost == expected_lost
    assert [row.tolist() for row in (before, after, same_tick)] == expected_lines.tolist()
    assert counter.tolist() == plain_counter


@pytest.mark.parametrize("row", [0, 15, CONTROL])
def test_each_row_has_a_bit_of_its_own(row: int) -> None:
    allowed = np.full(1, 1 << row, np.uint64)
    fired, sums = np.zeros(1, np.uint64), np.zeros(N_ROWS, np.int64)
    nothing = np.zeros((N_ROWS, 2), np.uint64)
    none = np.zeros(1, np.uint64)
    coincidence.fire_masks(none, none, allowed, 1, np.arange(N_ROWS), nothing, nothing, fired, sums)
    assert fired[0] == 1 << row
    assert sums.nonzero()[0].tolist() == [row]
