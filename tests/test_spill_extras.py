"""Hits, records and truth in a spill file: what is written is read, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from spill_cases import GRID, records_of, write, write_full

from streams.spill.extras import SpillExtras
from streams.spill.layout import SpillError
from streams.spill.problem import BadSpillError
from streams.spill.reader import SpillReader
from streams.spill.writer import SpillWriter
from trigger.frames import Block, FrameStream
from trigger.records import KINDS


def test_what_was_written_is_read_whatever_the_run_of_frames(tmp_path: Path) -> None:
    with SpillReader(write_full(tmp_path / "full.h5")) as reader:
        parts = reader.optional
        for first, n in ((0, 16), (3, 7), (8, 8), (15, 1), (5, 0)):
            stream = parts.read_hits("KTAG", first, n)
            assert (stream.first_frame, stream.n_frames, len(stream.words)) == (first, n, 2 * n)
            stream.check()
            for kind in KINDS:
                records = parts.read_records(kind, first, n)
                whole = np.concatenate([records_of(kind, f).records for f in (0, GRID)])
                per_frame = len(whole) // 16
                np.testing.assert_array_equal(
                    records.records, whole[first * per_frame : (first + n) * per_frame]
                )


def test_a_file_says_what_was_read_out_and_what_was_simulated(tmp_path: Path) -> None:
    with SpillReader(write_full(tmp_path / "full.h5")) as reader:
        readout, truth = reader.optional.readout, reader.optional.truth
        intensity = reader.optional.intensity_mhz()
    assert readout is not None
    assert (readout.menu, readout.menu_hash, readout.windows) == ("na62-2018", "abc", {"KTAG": (-25, 25)})
    assert truth is not None
    assert (truth.kept, truth.modes[0]["generated"]) == ("triggered", 40)
    assert intensity is not None
    assert (intensity[0].tolist(), intensity[1]) == ([750.0, 750.0], 8)


def test_a_file_with_primitives_only_has_none_of_it(tmp_path: Path) -> None:
    with SpillReader(write(tmp_path / "plain.h5")) as reader:
        parts = reader.optional
        assert (parts.hits, parts.records, parts.readout, parts.truth, parts.intensity_mhz()) == (
            {},
            {},
            None,
            None,
            None,
        )
        with pytest.raises(SpillError, match="has no hits 'KTAG', but none; simulate or record them"):
            parts.read_hits("KTAG", 0, 1)


def test_a_run_of_frames_outside_of_the_spill_is_refused(tmp_path: Path) -> None:
    with (
        SpillReader(write_full(tmp_path / "full.h5")) as reader,
        pytest.raises(SpillError, match="frames 10 to 19 are not inside the spill"),
    ):
        reader.optional.read_hits("KTAG", 10, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_record_is_found_when_it_is_read(tmp_path: Path, kind: str) -> None:
    path = write_full(tmp_path / "full.h5")
    with h5py.File(path, "r+") as file:
        records = file[f"{kind}/records"][:]
        records["time"][9] ^= 1
        file[f"{kind}/records"][:] = records
    with SpillReader(path) as reader, pytest.raises(BadSpillError, match=f"/{kind} frames . to .*CRC-32"):
        reader.optional.read_records(kind, 0, 16)


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        (SpillExtras(), "extras must be KTAG, beam"),
        (
            SpillExtras({"KTAG": FrameStream.empty(0, GRID)}, {"rings": records_of("rings", 0)}),
            "extras must be KTAG, beam",
        ),
        (
            SpillExtras({"KTAG": FrameStream.empty(0, GRID - 1)}, {"beam": records_of("beam", 0)}),
            "KTAG: does not cover the block's frames",
        ),
    ],
)
def test_extras_that_do_not_fit_are_refused(tmp_path: Path, extras: SpillExtras, message: str) -> None:
    path = tmp_path / "spill.h5"
    writer = SpillWriter(
        path, experiment="na62", run=0, burst=0, sob_unix_ns=0, simulated=True, provenance={},
        detectors=("RICH",), hits=("KTAG",), records=("beam",), block_frames=GRID,
    )  # fmt: skip
    block = Block(0, GRID, {"RICH": FrameStream.empty(0, GRID)})
    with pytest.raises(SpillError, match=message), writer:
        writer.write(block, extras)
    assert list(tmp_path.iterdir()) == []


def test_a_block_with_extras_is_one_of_the_grid(tmp_path: Path) -> None:
    writer = SpillWriter(
        tmp_path / "spill.h5", experiment="na62", run=0, burst=0, sob_unix_ns=0, simulated=True, provenance={},
        detectors=("RICH",), hits=("KTAG",), block_frames=GRID,
    )  # fmt: skip
    stream = FrameStream.empty(0, GRID + 1)
    with pytest.raises(SpillError, match="must be one of the checksum grid"), writer:
        writer.write(Block(0, GRID + 1, {"RICH": stream}), SpillExtras({"KTAG": stream}))
