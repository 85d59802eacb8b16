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
from trigger.records import KINDS, RecordStream

FALLING = FrameStream(0, np.array([0] + [2] * GRID), np.array([20, 10], np.uint32))
"""Hits whose times fall."""


FLOATS = FrameStream(0, np.arange(GRID + 1), np.zeros(GRID))  # type: ignore[arg-type]
"""Hits of another type."""


def backwards() -> RecordStream:
    """Beam tracks whose times fall in each frame."""
    stream = records_of("beam", 0)
    stream.records["time"] = np.tile([20, 10], GRID)
    return stream


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
    assert (readout.menu, readout.menu_hash, readout.windows) == (
        "na62-2018",
        "abc",
        {"KTAG": (-25, 25), "GTK": (-1, 1), "LKr": (-5, 5), "RICH": (-5, 5)},
    )
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


@pytest.mark.parametrize(
    ("hits", "records", "message"),
    [
        (FALLING, None, "KTAG: frame 0: words are not"),
        (FLOATS, None, "offsets must be int64 and words uint32"),
        (None, records_of("clusters", 0), "beam: offsets must be int64 and records"),
        (None, backwards(), "beam: records are not sorted by time; sort them"),
    ],
)  # fmt: skip
def test_extras_that_are_not_what_they_should_be_are_refused(
    tmp_path: Path, hits: FrameStream | None, records: RecordStream | None, message: str
) -> None:
    writer = SpillWriter(
        tmp_path / "spill.h5", experiment="na62", run=0, burst=0, sob_unix_ns=0, simulated=True, provenance={},
        detectors=("RICH",), hits=("KTAG",), records=("beam",), block_frames=GRID,
    )  # fmt: skip
    empty = FrameStream.empty(0, GRID)
    with pytest.raises(SpillError, match=message), writer:
        writer.write(
            Block(0, GRID, {"RICH": empty}),
            SpillExtras({"KTAG": hits or empty}, {"beam": records or records_of("beam", 0)}),
        )


def test_damaged_hits_do_not_keep_the_primitives_from_being_read(tmp_path: Path) -> None:
    path = write_full(tmp_path / "full.h5")
    with h5py.File(path, "r+") as file:
        del file["hits/KTAG/offsets"]
    with SpillReader(path) as reader:
        assert len(reader.read_block(0, 16).streams["RICH"].words) == 32
        with pytest.raises(BadSpillError, match="/hits/KTAG/offsets"):
            reader.optional.read_hits("KTAG", 0, 1)


def test_the_truth_is_not_followed_into_another_file(tmp_path: Path) -> None:
    path = write_full(tmp_path / "full.h5")
    write_full(tmp_path / "other.h5")
    with h5py.File(path, "r+") as file:
        del file["truth"]
        file["truth"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/truth")
    with (
        SpillReader(path) as reader,
        pytest.raises(BadSpillError, match="/truth: is not a group, or not there"),
    ):
        _ = reader.optional


def test_a_block_with_extras_is_one_of_the_grid(tmp_path: Path) -> None:
    writer = SpillWriter(
        tmp_path / "spill.h5", experiment="na62", run=0, burst=0, sob_unix_ns=0, simulated=True, provenance={},
        detectors=("RICH",), hits=("KTAG",), block_frames=GRID,
    )  # fmt: skip
    stream = FrameStream.empty(0, GRID + 1)
    with pytest.raises(SpillError, match="must be one of the checksum grid"), writer:
        writer.write(Block(0, GRID + 1, {"RICH": stream}), SpillExtras({"KTAG": stream}))
