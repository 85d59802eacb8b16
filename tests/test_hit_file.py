"""The hits and records of a spill file, whatever the size of its blocks."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from streams.spill.layout import block_crc32
from streams.stages.hits import HitFile
from trigger.l1.events import DETECTORS, Events


def with_blocks(path: Path, spill: Path, frames: int) -> Path:
    """The same spill with another number of frames under a checksum."""
    path.write_bytes(spill.read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["block_frames"] = np.int64(frames)
        groups = [group for group in _groups(file) if "crc32" in group]
        for group in groups:
            offsets = group["offsets"][:]
            values = group["words" if "words" in group else "records"][:]
            parts = [offsets[k : k + frames + 1] for k in range(0, len(offsets) - 1, frames)]
            sums = [block_crc32(values[p[0] : p[-1]], p - p[0]) for p in parts]
            del group["crc32"]
            group.create_dataset("crc32", data=np.array(sums, np.uint32), chunks=(1024,), maxshape=(None,))
    return path


def _groups(file: h5py.File) -> list[h5py.Group]:
    found: list[h5py.Group] = []
    file.visititems(lambda _name, item: found.append(item) if isinstance(item, h5py.Group) else None)
    return found


def hits_of(events: Events) -> list[list[list[int]]]:
    return [
        [hits.words[i:j].tolist() for i, j in zip(hits.begin, hits.end, strict=True)] for hits in events.hits
    ]


@pytest.mark.parametrize("frames", [100, 700, 4000])
def test_events_have_their_hits_whatever_the_blocks_of_the_file(
    full_spill: Path, tmp_path: Path, frames: int
) -> None:
    with (
        HitFile(full_spill) as file,
        HitFile(with_blocks(tmp_path / "other.h5", full_spill, frames)) as other,
    ):
        known = file.records("readout", np.array([0, 3000 << 16])).times_lsb()
        times = known[len(known) // 4 : len(known) // 2]
        mine = hits_of(file.events(times))
        assert sum(map(len, mine[0])) > 0
        assert len(mine) == len(DETECTORS)
        assert hits_of(other.events(times)) == mine
        assert np.array_equal(other.gtk_hits(times), file.gtk_hits(times))
