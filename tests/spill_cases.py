"""A small spill file, ways of breaking it, and a user who may not have it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from streams.spill.layout import block_crc32
from streams.spill.writer import SpillWriter
from trigger.frames import Block, FrameStream

N_FRAMES = 20
GRID = 8
RICH = "primitives/RICH"

NOBODY = 65534

Change = Callable[[h5py.File], None]


def write(path: Path, detectors: Sequence[str] = ("RICH", "CHOD"), experiment: str = "na62") -> Path:
    """Three primitives a frame in each detector, at 10, 20 and 30 LSB."""
    offsets = np.arange(0, 3 * N_FRAMES + 1, 3)
    words = np.tile(np.array([0x4000_000A, 0x4000_0014, 0x4000_001E], np.uint32), N_FRAMES)
    with SpillWriter(
        path,
        experiment=experiment,
        run=1,
        burst=2,
        sob_unix_ns=3,
        simulated=True,
        provenance={},
        detectors=detectors,
        block_frames=GRID,
    ) as writer:
        writer.write(Block(0, N_FRAMES, {name: FrameStream(0, offsets, words) for name in detectors}))
    return path


def attribute(name: str, value: Any) -> Change:
    return lambda file: file.attrs.create(name, value)


def without_attribute(name: str) -> Change:
    return lambda file: file.attrs.pop(name)


def without(name: str) -> Change:
    return lambda file: file.pop(name)


def both(first: Change, second: Change) -> Change:
    def change(file: h5py.File) -> None:
        first(file)
        second(file)

    return change


def element(name: str, index: int, value: int) -> Change:
    def change(file: h5py.File) -> None:
        file[f"{RICH}/{name}"][index] = value

    return change


def length(name: str, n: int) -> Change:
    return lambda file: file[f"{RICH}/{name}"].resize((n,))


def with_checksums(change: Change) -> Change:
    """Change a file and mend its checksums, as one who writes wrong files would."""

    def changed(file: h5py.File) -> None:
        change(file)
        offsets, words = file[f"{RICH}/offsets"][:], file[f"{RICH}/words"][:]
        for block, first in enumerate(range(0, N_FRAMES, GRID)):
            part = offsets[first : first + GRID + 1]
            file[f"{RICH}/crc32"][block] = block_crc32(words[part[0] : part[-1]], part - part[0])

    return changed


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user who may read nothing of ours, if we are root, who may read all."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
