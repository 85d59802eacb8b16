"""The L0 core over the frames of a block: alignment, coincidence and acceptance, frame by frame."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.clock import FRAME_BITS, TICK_BITS, TICKS_PER_FRAME
from trigger.jit import inline, kernel
from trigger.l0.accept import accept_entries
from trigger.l0.alignment import (
    CONTROL_MASK,
    FRAMES_PER_ERA,
    PHYSICS_MASKS,
    fill_rows,
    first_slot,
    last_of_slot,
    merge_entries,
)
from trigger.l0.coincidence import NONE, fire_masks
from trigger.l0.entries import CONTROL_TAG, REFERENCE_TAG
from trigger.l0.registers import N_DETECTORS
from trigger.l0.triggers import ACCOUNTS, CONTROL_WORD, PHYSICS_WORD
from trigger.l0.vector import LANES, or_slots

SLOT_ADDRESSES: Final = 16384
"""Depth of the alignment RAM; an entry with the address of the entry before it is skipped."""

# Places in `account`. DISCARDED is the processor's: words with ID 0 do not come here.
WORDS, DISCARDED, MERGED, SAME_SLOT, IGNORED, REJECTED, SAME_TICK, DOWNSCALED, TRIGGERS = range(len(ACCOUNTS))

# Places in `setup`, and in `state` (the address of the entry processed last; the entries of the last call).
FINE_TIME_BITS, REFERENCE_DETECTOR, CONTROL_DETECTOR, IGNORE_UNTIL = range(4)
LAST_ADDRESS, N_ENTRIES = range(2)


@inline
def skip_repeated(n: int, frame: int, bits: Any, slot: Any, allowed: Any, state: Any, account: Any) -> Any:
    """Forbid all masks to a first entry that has the slot address of the entry before it; return 1 if so."""
    frame_address = (frame * (TICKS_PER_FRAME << bits)) % SLOT_ADDRESSES
    repeated = np.int64(frame_address + slot[0] == state[LAST_ADDRESS])
    if repeated:
        allowed[0] = NONE
    account[SAME_SLOT] += repeated
    state[LAST_ADDRESS] = frame_address + slot[n - 1]
    return repeated


@inline
def ignore_early(n: int, frame: int, setup: Any, slot: Any, allowed: Any, account: Any) -> int:
    """Forbid all masks to entries up to the tick of `setup`; return their number."""
    ignored = 0
    ignored_ticks = setup[IGNORE_UNTIL] + 1 - frame * TICKS_PER_FRAME
    if ignored_ticks > 0:
        for i in range(n):
            if allowed[i] != NONE and slot[i] >> setup[FINE_TIME_BITS] < ignored_ticks:
                allowed[i] = NONE
                ignored += 1
    account[IGNORED] += ignored
    return ignored


@inline
def fill_edges(
    words: Any, offsets: Any, f: int, detector: int, frame: int, n_slots: int, shift: Any,
    era_slot: Any, near: Any, rows: Any,
) -> None:  # fmt: skip
    """Fill the rows of the slots just before and just after frame f.

    They are the neighbouring frames', unless an era ends there. Only where the RAM is as deep as an era
    (16,384 slots are 2,048 ticks) is the slot behind an era's last one its own first one, `era_slot`, as long as
    the next era has not written it.
    """
    if near[0] != 0 and frame % FRAMES_PER_ERA != 0 and f > 0:
        held = last_of_slot(words, offsets[f - 1], offsets[f], n_slots - 1, shift)
        rows[LANES * np.int64(near[0]) + detector] = held
    if near[n_slots + 1] != 0:
        held = np.uint32(0)
        if f + 2 < len(offsets):
            held = first_slot(words, offsets[f + 1], offsets[f + 2], shift)
        if (frame + 1) % FRAMES_PER_ERA == 0:
            held = era_slot[detector] if held == 0 else np.uint32(0)
        rows[LANES * np.int64(near[n_slots + 1]) + detector] = held


@inline
def keep_era_slot(words: Any, offsets: Any, f: int, shift: Any, era_slot: Any) -> None:
    """Note what the RAM holds in the first slot of the era that begins with frame f."""
    for d in range(N_DETECTORS):
        era_slot[d] = first_slot(words[d], offsets[d][f], offsets[d][f + 1], shift)


@inline
def emit(
    at: int, frame: int, tick: Any, lane: int, row: int, flags: Any, rows: Any,
    times: Any, out_flags: Any, out_words: Any, out_slots: Any,
) -> None:  # fmt: skip
    """Write trigger number `at`; its fine time is that of word `lane` of its own slot (0 if the slot is empty)."""
    fine = rows[LANES * row + lane] & np.uint32(0xFF)
    times[at] = ((frame * TICKS_PER_FRAME + tick) << TICK_BITS) + np.int64(fine)
    out_flags[at] = np.uint16(flags & PHYSICS_MASKS)
    word = PHYSICS_WORD if flags & PHYSICS_MASKS else 0
    out_words[at] = np.uint8(word + (CONTROL_WORD if flags & CONTROL_MASK else 0))
    if len(out_slots):
        for d in range(LANES):
            out_slots[at, 0, d] = rows[LANES * row + d]
            out_slots[at, 1, d] = rows[LANES * (row - 1) + d]
            out_slots[at, 2, d] = rows[LANES * (row + 1) + d]


@inline
def note_entries(
    at: int, n: int, frame: int, bits: Any, reference: int, control: int,
    slot: Any, allowed: Any, row: Any, rows: Any, low: Any, high: Any,
    entry_time: Any, entry_slot: Any, entry_tags: Any, entry_ids: Any,
) -> None:  # fmt: skip
    """Keep a frame's entries as they come from the alignment, from place `at` on; before any of them is skipped."""
    for i in range(n):
        lane = control if allowed[i] == CONTROL_MASK else reference
        held = rows[LANES * np.int64(row[i]) + lane]
        entry_time[at + i] = (frame << FRAME_BITS) + np.int64(held & np.uint32(0xFFFF))
        entry_slot[at + i] = frame * (TICKS_PER_FRAME << bits) + slot[i]
        entry_tags[at + i] = np.uint8(
            (REFERENCE_TAG if allowed[i] & PHYSICS_MASKS else 0)
            + (CONTROL_TAG if allowed[i] & CONTROL_MASK else 0)
        )
        entry_ids[at + i, 0] = low[i]
        entry_ids[at + i, 1] = high[i]


@inline
def note_firings(
    at: int, n: int, repeated: int, allowed: Any, fired: Any, entry_fired: Any, entry_fate: Any
) -> None:
    """Keep which rows fire, before the same-tick rule takes entries out, and the fate of those that fire none."""
    for i in range(n):
        entry_fired[at + i] = np.uint32(fired[i])
        entry_fate[at + i] = np.uint8(IGNORED if allowed[i] == NONE else REJECTED)
    if repeated:
        entry_fate[at] = np.uint8(SAME_SLOT)


@inline
def note_fates(
    at: int, n: int, triggers: int, passed: Any, fired: Any, flags: Any,
    entry_fired: Any, entry_kept: Any, entry_fate: Any,
) -> None:  # fmt: skip
    """Keep what became of the entries that fired."""
    for i in range(n):
        entry_kept[at + i] = np.uint32(0)
        if entry_fired[at + i] != np.uint32(0):
            entry_fate[at + i] = np.uint8(SAME_TICK if fired[i] == NONE else DOWNSCALED)
    for k in range(triggers):
        entry_kept[at + passed[k]] = np.uint32(flags[k])
        entry_fate[at + passed[k]] = np.uint8(TRIGGERS)


_SIGNATURE: Final = (
    "int64(int64, int64, int64, "
    "UniTuple(Array(uint32, 1, 'C', readonly=True), 8), UniTuple(Array(int64, 1, 'C', readonly=True), 8), "
    "int64[::1], uint32[::1], uint32[::1], int64[::1], uint64[:, ::1], uint64[:, ::1], int64[::1], "
    "int64[::1], uint32[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], "
    "int32[::1], uint64[::1], int32[::1], uint16[::1], uint32[::1], uint64[::1], uint64[::1], uint64[::1], "
    "int64[::1], int64[::1], int32[::1], uint64[::1], "
    "int64[::1], uint16[::1], uint8[::1], uint32[:, :, ::1], {entries})"
)
_ENTRIES: Final = (
    "Tuple((int64[::1], int64[::1], uint8[::1], uint64[:, ::1], uint32[::1], uint32[::1], uint8[::1]))"
)


@kernel(_SIGNATURE.format(entries="none"), _SIGNATURE.format(entries=_ENTRIES))
def process_frames(
    first_frame: int, begin: int, end: int,
    words: Any, offsets: Any,
    setup: Any, start: Any, width: Any, active: Any, mask: Any, dontcare: Any, downscale: Any,
    state: Any, era_slot: Any, counter: Any, before: Any, after: Any, same_tick: Any, account: Any,
    slot: Any, allowed: Any, row: Any, near: Any, rows: Any, low: Any, high: Any, fired: Any,
    sums: Any, walking: Any, passed: Any, flags: Any,
    times: Any, out_flags: Any, out_words: Any, out_slots: Any,
    kept: Any,
) -> int:  # fmt: skip
    """Process frames begin...end - 1 of a block whose frame 0 is `first_frame`; return the number of triggers.

    The arguments, a row above each: place; the block, words uint32 and offsets int64 by detector; the registers,
    as `L0Processor` prepares them; what lives from frame to frame; scratch of one frame; the triggers found
    (room for each reference and control word; `out_slots` may be empty, then slots are not kept); all entries
    (the same room), or None: a kernel of its own, so that who does not ask for them does not pay for them.
    """
    bits = setup[FINE_TIME_BITS]
    shift = np.uint32(16 - TICK_BITS - bits)
    n_slots = TICKS_PER_FRAME << bits
    reference, control = setup[REFERENCE_DETECTOR], setup[CONTROL_DETECTOR]
    # Taken out of the tuples once: each access by a variable index costs two atomic reference counts.
    w0, w1, w2, w3, w4, w5, w6, _ = words
    o0, o1, o2, o3, o4, o5, o6, _ = offsets
    r_words, r_offsets = words[reference], offsets[reference]
    c_words, c_offsets = words[control], offsets[control]
    entries = 0
    total = 0
    for f in range(begin, end):
        frame = first_frame + f
        if n_slots * FRAMES_PER_ERA == SLOT_ADDRESSES and frame % FRAMES_PER_ERA == 0:
            keep_era_slot(words, offsets, f, shift, era_slot)
        r, r_end, c, c_end = r_offsets[f], r_offsets[f + 1], c_offsets[f], c_offsets[f + 1]
        if r_end + c_end == r + c:
            continue
        near[: n_slots + 2] = 0
        n, pairs, used = merge_entries(r_words, r, r_end, c_words, c, c_end, shift, slot, allowed, row, near)
        rows[: LANES * used] = 0
        fill_rows(w0, o0[f], o0[f + 1], 0, shift, near, rows)
        fill_rows(w1, o1[f], o1[f + 1], 1, shift, near, rows)
        fill_rows(w2, o2[f], o2[f + 1], 2, shift, near, rows)
        fill_rows(w3, o3[f], o3[f + 1], 3, shift, near, rows)
        fill_rows(w4, o4[f], o4[f + 1], 4, shift, near, rows)
        fill_rows(w5, o5[f], o5[f + 1], 5, shift, near, rows)
        fill_rows(w6, o6[f], o6[f + 1], 6, shift, near, rows)
        if near[0] | near[n_slots + 1]:
            for d in range(N_DETECTORS):
                fill_edges(words[d], offsets[d], f, d, frame, n_slots, shift, era_slot, near, rows)
        for i in range(n):
            timed_by_control = np.int64(allowed[i] == CONTROL_MASK)
            lane = control if timed_by_control else reference
            first = LANES * np.int64(row[i])
            or_slots(rows, first, lane, start, width, LANES * timed_by_control, low, high, np.int64(i))
        if kept is not None:
            note_entries(
                entries, n, frame, bits, reference, control, slot, allowed, row, rows,
                low, high, kept[0], kept[1], kept[2], kept[3],
            )  # fmt: skip
        # After the slots are read: what is skipped must not change which detector gives the time.
        repeated = skip_repeated(n, frame, bits, slot, allowed, state, account)
        skipped = repeated + ignore_early(n, frame, setup, slot, allowed, account)
        fire_masks(low, high, allowed, n, active, mask, dontcare, fired, sums)
        if kept is not None:
            note_firings(entries, n, repeated, allowed, fired, kept[4], kept[6])
        quiet = np.int64(0)
        for i in range(n):
            quiet += np.int64(fired[i] == NONE)
        triggers, lost = accept_entries(
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
        if kept is not None:
            note_fates(entries, n, triggers, passed, fired, flags, kept[4], kept[5], kept[6])
        entries += n
        for k in range(triggers):
            i = passed[k]
            lane = control if allowed[i] == CONTROL_MASK else reference
            at = total + k
            tick = slot[i] >> bits
            emit(at, frame, tick, lane, row[i], flags[k], rows, times, out_flags, out_words, out_slots)
        total += triggers
        account[WORDS] += r_end - r + c_end - c
        account[MERGED] += pairs
        account[SAME_SLOT] += r_end - r + c_end - c - pairs - n
        account[REJECTED] += quiet - skipped
        account[SAME_TICK] += lost
        account[DOWNSCALED] += n - quiet - lost - triggers
        account[TRIGGERS] += triggers
    state[N_ENTRIES] = entries
    return total
