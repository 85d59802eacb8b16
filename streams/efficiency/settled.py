"""The entries of the L0 processor for one run of frames after the other, whatever blocks it is fed with."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from streams.spill.reader import SpillReader
from trigger.clock import FRAME_BITS
from trigger.experiment import Experiment
from trigger.l0.entries import Entries, join_entries
from trigger.l0.processor import L0Processor
from trigger.l0.registers import compile_registers
from trigger.menu import Menu


class SettledEntries:
    """Runs the primitives of a spill through L0 as far as it is asked, and keeps what may be asked again."""

    def __init__(self, reader: SpillReader, menu: Menu, experiment: Experiment) -> None:
        registers = compile_registers(menu, experiment, reader.detectors)
        self._processor = L0Processor(registers, experiment.inputs, keep_entries=True)
        self._blocks = reader.blocks()
        self._n_frames = reader.header.n_frames
        self._stop_frame = 0
        self._entries = join_entries([])

    def between(self, first_frame: int, stop_frame: int) -> Entries:
        """Return the entries of a half-open range of frames; `first_frame` may not fall from call to call."""
        parts = [self._entries]
        while self._stop_frame < stop_frame:
            parts.append(self._next())
        entries = join_entries(parts)
        self._entries = _cut(entries, entries.time_lsb >= first_frame << FRAME_BITS)
        return _cut(self._entries, self._entries.time_lsb < stop_frame << FRAME_BITS)

    def _next(self) -> Entries:
        """Return what the next block settles: all frames but its last, which the end of the spill settles."""
        block = next(self._blocks, None)
        if block is None:
            self._processor.finish()
            self._stop_frame = self._n_frames
        else:
            self._processor.process(block)
            self._stop_frame = block.stop_frame - 1
        return self._processor.entries


def _cut(entries: Entries, kept: NDArray[np.bool_]) -> Entries:
    return Entries(*(getattr(entries, field.name)[kept] for field in fields(Entries)))
