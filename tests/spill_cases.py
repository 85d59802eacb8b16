"""A small spill file, ways of breaking it, and a user who may not have it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from streams.spill.extras import SpillExtras
from streams.spill.layout import block_crc32
from streams.spill.writer import SpillWriter
from trigger.frames import Block, FrameStream
from trigger.records import KINDS, RecordStream

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


DECAYS = "truth/decays"
PARTICLES = "truth/particles"
MODES = [{"name": "K-mu-nu", "parent": "K+", "generated": 40, "generated_fiducial": 20}]


def write_full(path: Path) -> Path:
    """Two words of each detector and two records of each kind a frame; of decays one, with two particles."""
    with SpillWriter(
        path,
        experiment="na62",
        run=1,
        burst=2,
        sob_unix_ns=3,
        simulated=True,
        provenance={},
        detectors=("RICH", "CHOD"),
        hits=("KTAG",),
        records=tuple(KINDS),
        block_frames=GRID,
    ) as writer:
        for first in range(0, 2 * GRID, GRID):
            words = np.tile(np.array([0x4000_000A, 0x4000_0014], np.uint32), GRID)
            stream = FrameStream(first, np.arange(0, 2 * GRID + 1, 2), words)
            block = Block(first, GRID, {"RICH": stream, "CHOD": stream})
            writer.write(
                block, SpillExtras({"KTAG": stream}, {kind: records_of(kind, first) for kind in KINDS})
            )
        writer.describe(
            "readout",
            menu="na62-2018",
            menu_hash="abc",
            windows='{"KTAG": [-25, 25], "GTK": [-1, 1], "LKr": [-5, 5], "RICH": [-5, 5]}',
        )
        writer.describe("truth", kept="triggered", modes=json.dumps(MODES))
        writer.add_intensity(np.full(2, 750.0), 8)
    return path


def records_of(kind: str, first: int) -> RecordStream:
    """Two records of a kind in each frame of a block, at 10 and 20 LSB."""
    records = np.zeros(2 * GRID, KINDS[kind])
    records["time"] = np.tile([10, 20], GRID)
    offsets = np.arange(0, 2 * GRID + 1, 2)
    if kind == DECAYS:
        records, offsets = records[::2].copy(), np.arange(GRID + 1)
        records["first_particle"], records["n_particles"] = 2 * (first + np.arange(GRID)), 2
    return RecordStream(first, offsets, records)


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


def group_attribute(group: str, name: str, value: Any) -> Change:
    """Set an attribute of a group, or take it away if the value is None."""

    def change(file: h5py.File) -> None:
        if value is None:
            del file[group].attrs[name]
        else:
            file[group].attrs[name] = np.bytes_(value)

    return change


def record(kind: str, index: int, field: str, value: Any) -> Change:
    """Change a field of a record, with the checksum that fits."""

    def change(file: h5py.File) -> None:
        records = file[f"{kind}/records"][:]
        records[field][index] = value
        file[f"{kind}/records"][:] = records
        offsets = file[f"{kind}/offsets"][:]
        for block, first in enumerate(range(0, len(offsets) - 1, GRID)):
            part = offsets[first : first + GRID + 1]
            file[f"{kind}/crc32"][block] = block_crc32(records[part[0] : part[-1]], part - part[0])

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
