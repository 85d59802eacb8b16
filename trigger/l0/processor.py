"""The L0 trigger processor: a stateful object fed with blocks, bit-exact with the experiment's firmware.

What it reproduces: the alignment RAM with its overwriting, slots N-1, N, N+1, strict time cuts, mask/don't-care
pairs, the merging of reference and control streams, the same-slot and same-tick rules, 1-of-(D+1) downscaling.
What it leaves out, because it depends on the clock of the board and not on the primitives: FIFO depths, the
choke they raise and the dead time (`dispatch` takes what these cost from its settings).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger import order
from trigger.clock import TICKS_PER_FRAME
from trigger.errors import KtrigError
from trigger.frames import Block, FrameError, FrameStream
from trigger.l0 import kernel
from trigger.l0.alignment import ID_ONE
from trigger.l0.entries import Entries, join_entries
from trigger.l0.registers import N_DETECTORS, N_ROWS, L0Registers
from trigger.l0.triggers import ACCOUNTS, Triggers, join_triggers
from trigger.l0.vector import LANES

NO_INPUT: Final = N_DETECTORS
"""An eighth input, always empty: the control detector of a processor without control."""

ANY_TIME: Final = 1 << 16
"""Width of a time cut that every difference passes."""


class L0Error(KtrigError):
    """Input that the processor cannot take."""


class L0Processor:
    """Feed blocks of consecutive frames to `process`, then call `finish`; the answer does not depend on the cuts.

    A frame is settled when the next one is known, so `process` returns the triggers up to the last but one frame
    of its block. The counts and the `account` are running sums. One object is one spill; start the next with the
    `downscaling_counters` of this one to carry them over, as the experiment does.
    """

    def __init__(
        self,
        registers: L0Registers,
        detectors: Sequence[str],
        keep_slots: bool = False,
        keep_entries: bool = False,
        downscaling_counters: NDArray[np.int64] | None = None,
    ) -> None:
        """Set up for `detectors`, the names of inputs 0 to 6 (fewer leave inputs empty).

        keep_slots: fill `Triggers.slots`. keep_entries: fill `entries`, which costs time.
        downscaling_counters: int64[17] to start from (default zero).
        """
        self.detectors = tuple(detectors)
        if len(self.detectors) > N_DETECTORS:
            raise L0Error(f"the processor has {N_DETECTORS} inputs (asked for {len(self.detectors)})")
        self._keep_slots = keep_slots
        self._keep_entries = keep_entries
        self._set_registers(registers)
        self._make_scratch(registers.fine_time_bits)
        self._state = np.zeros(2, np.int64)
        self._era_slot = np.zeros(LANES, np.uint32)
        self._counter = np.zeros(N_ROWS, np.int64)
        if downscaling_counters is not None:
            self._counter[:] = downscaling_counters
        self._before = np.zeros(N_ROWS, np.int64)
        self._after = np.zeros(N_ROWS, np.int64)
        self._same_tick = np.zeros(N_ROWS, np.int64)
        self._account = np.zeros(len(ACCOUNTS), np.int64)
        self._carry: list[FrameStream] = []

    def _set_registers(self, registers: L0Registers) -> None:
        control = NO_INPUT if registers.control is None else registers.control
        self._setup = np.array(
            [registers.fine_time_bits, registers.reference, control, registers.ignore_until_tick], np.int64
        )
        # |dt| < cut, as one unsigned comparison: (t - t_ref + cut - 1) mod 2^16 < 2 cut - 1. Two sets of cuts, for
        # entries timed by the reference and by the control detector: the timing detector's own words always
        # count, because the firmware compares them with themselves.
        cut = np.zeros((2, LANES), np.int64)
        cut[:, :N_DETECTORS] = registers.time_cut_lsb
        self._start = (1 - cut).astype(np.uint32).ravel()
        width = np.maximum(2 * cut - 1, 0)
        for entry, timing in enumerate((registers.reference, control)):
            if cut[entry, timing] > 0:
                width[entry, timing] = ANY_TIME
        self._width = width.astype(np.uint32).ravel()
        self._active = np.flatnonzero(registers.enabled).astype(np.int64)
        self._mask = packed(registers.mask)
        self._dontcare = packed(registers.dontcare)
        self._downscale = registers.downscale.astype(np.int64)

    def _make_scratch(self, fine_time_bits: int) -> None:
        slots = TICKS_PER_FRAME << fine_time_bits
        self._scratch = (
            np.zeros(slots + 1, np.int32),  # slot of an entry; one more, as the merge writes ahead
            np.zeros(slots + 1, np.uint64),  # masks that it may fire
            np.zeros(slots + 1, np.int32),  # row of its slot
            np.zeros(slots + 2, np.uint16),  # row of any slot
            np.zeros((slots + 3) * LANES, np.uint32),  # rows
            np.zeros(slots, np.uint64),  # S, detectors 0-3
            np.zeros(slots, np.uint64),  # S, detectors 4-6
            np.zeros(slots, np.uint64),  # masks that fired
            np.zeros(N_ROWS, np.int64),  # firings of each mask
            np.zeros(N_ROWS, np.int64),  # masks whose counters may run over
            np.zeros(slots + 1, np.int32),  # entries that may trigger, then those that do
            np.zeros(slots, np.uint64),  # their surviving masks
        )
        self._make_outputs(0)
        self._entries: list[Entries] = []

    def _make_outputs(self, capacity: int) -> None:
        slots = capacity if self._keep_slots else 0
        self._out_triggers = (
            np.zeros(capacity, np.int64),
            np.zeros(capacity, np.uint16),
            np.zeros(capacity, np.uint8),
            np.zeros((slots, 3, LANES), np.uint32),
        )
        entries = capacity if self._keep_entries else 0
        self._out_entries: tuple[NDArray[Any], ...] = (
            np.zeros(entries, np.int64),
            np.zeros(entries, np.int64),
            np.zeros(entries, np.uint8),
            np.zeros((entries, 2), np.uint64),
            np.zeros(entries, np.uint32),
            np.zeros(entries, np.uint32),
            np.zeros(entries, np.uint8),
        )

    @property
    def downscaling_counters(self) -> NDArray[np.int64]:
        """Where the downscaling counters stand: int64[17], a copy."""
        return self._counter.copy()

    @property
    def before_downscaling(self) -> NDArray[np.int64]:
        """Firings of each row that its counter saw: int64[17], a copy."""
        return self._before.copy()

    @property
    def after_downscaling(self) -> NDArray[np.int64]:
        """Firings of each row that survived: int64[17], a copy."""
        return self._after.copy()

    @property
    def lost_same_tick(self) -> NDArray[np.int64]:
        """Firings of each row in the tick of an earlier trigger, never counted: int64[17], a copy."""
        return self._same_tick.copy()

    @property
    def entries(self) -> Entries:
        """The entries settled by the last `process` or `finish`; none unless the processor was asked for them."""
        return join_entries(self._entries)

    @property
    def account(self) -> dict[str, int]:
        """What became of the reference and control words of the frames settled so far, by `ACCOUNTS`."""
        account = dict(zip(ACCOUNTS, self._account.tolist(), strict=True))
        account["words"] += account["discarded"]
        return account

    def process(self, block: Block) -> Triggers:
        """Take a block; return the triggers that it settles. L0Error if it does not follow the last one."""
        self._entries = []
        streams = self._inputs(block)
        if block.n_frames == 0:
            return self._run([], 0, 0)
        if not self._carry:
            self._carry = [FrameStream.empty(block.first_frame, 0)] * LANES
        carried = self._carry[0].n_frames
        seam = [_seam(c, s, min(2, block.n_frames)) for c, s in zip(self._carry, streams, strict=True)]
        parts = [
            self._run(seam, max(carried - 1, 0), seam[0].n_frames - 1),
            self._run(streams, 1, block.n_frames - 1),
        ]
        self._carry = [_last_frames(s, 2) for s in (streams if block.n_frames >= 2 else seam)]
        return join_triggers(parts)

    def finish(self) -> Triggers:
        """Settle the last frame, as if empty ones followed; return its triggers."""
        self._entries = []
        if not self._carry:
            return self._run([], 0, 0)
        frames = self._carry[0].n_frames
        triggers = self._run(self._carry, frames - 1, frames)
        self._carry = [s.cut(s.stop_frame, s.stop_frame) for s in self._carry]
        return triggers

    def _inputs(self, block: Block) -> list[FrameStream]:
        """Return a stream for each input, empty where the block has none; the eighth always is."""
        if self._carry and block.first_frame != self._carry[0].stop_frame:
            raise L0Error(
                f"block begins at frame {block.first_frame}, expected {self._carry[0].stop_frame}; "
                "feed blocks in order and without gaps"
            )
        nothing = FrameStream.empty(block.first_frame, block.n_frames)
        names = self.detectors + ("",) * (LANES - len(self.detectors))
        streams = [block.streams.get(name, nothing) for name in names]
        for name, stream in zip(names, streams, strict=True):
            _check(name, stream, block)
        timing = [int(self._setup[i]) for i in (kernel.REFERENCE_DETECTOR, kernel.CONTROL_DETECTOR)]
        kept = {i: _with_ids(streams[i]) for i in timing}
        self._account[kernel.DISCARDED] += sum(len(streams[i].words) - len(kept[i].words) for i in timing)
        for i in timing:
            streams[i] = kept[i]
        return streams

    def _run(self, streams: Sequence[FrameStream], begin: int, end: int) -> Triggers:
        """Run the kernel over frames begin...end - 1 of the streams and copy its triggers out."""
        n = 0
        if end > begin:
            r, c = int(self._setup[kernel.REFERENCE_DETECTOR]), int(self._setup[kernel.CONTROL_DETECTOR])
            capacity = len(streams[r].words) + len(streams[c].words)
            if capacity > len(self._out_triggers[0]):
                self._make_outputs(capacity + capacity // 4)
            n = kernel.process_frames(
                streams[0].first_frame,
                begin,
                end,
                tuple(s.words for s in streams),
                tuple(s.offsets for s in streams),
                self._setup,
                self._start,
                self._width,
                self._active,
                self._mask,
                self._dontcare,
                self._downscale,
                self._state,
                self._era_slot,
                self._counter,
                self._before,
                self._after,
                self._same_tick,
                self._account,
                *self._scratch,
                *self._out_triggers,
                self._out_entries if self._keep_entries else None,
            )
            if self._keep_entries:
                self._take_entries(int(self._state[kernel.N_ENTRIES]))
        times, flags, words, slots = self._out_triggers
        return Triggers(
            times[:n].copy(), flags[:n].copy(), words[:n].copy(), slots[:n, :, :N_DETECTORS].copy()
        )

    def _take_entries(self, n: int) -> None:
        """Copy the entries of a call of the kernel out."""
        time, slot, tags, ids, fired, kept, fate = (array[:n].copy() for array in self._out_entries)
        lanes = ids.view(np.uint16).reshape(n, LANES)[:, :N_DETECTORS]
        self._entries.append(Entries(time, slot, tags, lanes, fired, kept, fate))


def packed(words: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """Pack uint16[17, 7] words into uint64[17, 2], detector 0 lowest, the spare lane 0."""
    lanes = np.zeros((N_ROWS, LANES), np.uint16)
    lanes[:, :N_DETECTORS] = words
    return lanes.view(np.uint64)


def _check(name: str, stream: FrameStream, block: Block) -> None:
    """Raise L0Error if a stream is not what the kernel, which checks nothing, relies on."""
    if (stream.first_frame, stream.n_frames) != (block.first_frame, block.n_frames):
        raise L0Error(
            f"{name}: its {stream.n_frames} frames from {stream.first_frame} are not those of the block, "
            f"{block.n_frames} from {block.first_frame}; give every stream the frames of its block"
        )
    try:
        order.check(stream)
    except FrameError as wrong:
        raise L0Error(f"{name}: {wrong}; sort its words by frame and time") from None


def _with_ids(stream: FrameStream) -> FrameStream:
    """Return the stream without words of ID 0: as it is, if it has none."""
    if not len(stream.words) or stream.words.min() >= ID_ONE:
        return stream
    kept = stream.words >= ID_ONE
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    return FrameStream(stream.first_frame, before[stream.offsets], stream.words[kept])


def _seam(carry: FrameStream, stream: FrameStream, frames: int) -> FrameStream:
    """Join the frames carried over and the first `frames` of the next block; done for each input of each block."""
    words = stream.words[: stream.offsets[frames]]
    offsets = np.concatenate([carry.offsets[:-1], stream.offsets[: frames + 1] + carry.offsets[-1]])
    return FrameStream(carry.first_frame, offsets, np.concatenate([carry.words, words]))


def _last_frames(stream: FrameStream, frames: int) -> FrameStream:
    """Copy the last frames of a stream (all, if it has fewer), so that they outlive its buffer."""
    offsets = stream.offsets[-frames - 1 :]
    first = stream.stop_frame - len(offsets) + 1
    return FrameStream(first, offsets - offsets[0], stream.words[offsets[0] :].copy())
