"""The spill file: what is written is what is read, and what cannot be written leaves nothing."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cli.info import command as info
from streams.spill.layout import SpillError
from streams.spill.reader import SpillReader
from streams.spill.writer import SpillWriter
from trigger.clock import LSB_PER_FRAME, seconds
from trigger.frames import Block, FrameStream

N_FRAMES = 21
GRID = 8
"""Frames under a checksum in these tests: the last block of the grid is shorter."""

DETECTORS = ("RICH", "CHOD", "LKr")
HEADER: dict[str, Any] = {
    "experiment": "na62",
    "run": 8764,
    "burst": 500,
    "sob_unix_ns": 1_526_214_896_000_000_001,
    "simulated": True,
    "provenance": {"seed": 1, "beam": {"mhz": 750.0}},
}


def make_spill(seed: int = 1, n_frames: int = N_FRAMES) -> Block:
    """A spill with a busy detector, a sparse one and a silent one."""
    rng = np.random.default_rng(seed)
    streams = {}
    for name, n in zip(DETECTORS, (300, 9, 0), strict=True):
        times = rng.integers(0, n_frames * LSB_PER_FRAME, n)
        ids = rng.integers(1, 0x10000, n).astype(np.uint16)
        streams[name] = FrameStream.pack(times, ids, 0, n_frames)
    return Block(0, n_frames, streams)


def write(path: Path, block: Block, cuts: Sequence[int] = (), **changes: Any) -> Path:
    options = {"detectors": list(block.streams), "block_frames": GRID, **HEADER, **changes}
    with SpillWriter(path, **options) as writer:
        for first, stop in pairwise([0, *cuts, block.n_frames]):
            writer.write(block.cut(first, stop))
    return path


def listed(block: Block) -> dict[str, tuple[int, list[int], list[int]]]:
    return {
        name: (stream.first_frame, stream.offsets.tolist(), stream.words.tolist())
        for name, stream in block.streams.items()
    }


def read_all(path: Path, n_frames: int = GRID) -> list[Any]:
    with SpillReader(path) as reader:
        return [reader.header, *(listed(block) for block in reader.blocks(n_frames))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spills")


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    return write(folder / "good.h5", make_spill())


def test_a_spill_reads_back_as_it_was_written(good: Path) -> None:
    spill = make_spill()
    with SpillReader(good) as reader:
        assert {name: getattr(reader.header, name) for name in HEADER} == HEADER
        assert (reader.header.n_frames, reader.header.block_frames) == (N_FRAMES, GRID)
        assert reader.detectors == list(DETECTORS)
        assert reader.primitives_per_detector == {"RICH": 300, "CHOD": 9, "LKr": 0}
        assert listed(reader.read_block(0, N_FRAMES)) == listed(spill)


@given(st.integers(0, N_FRAMES), st.integers(0, N_FRAMES))
def test_any_run_of_frames_is_read_as_it_is_cut_from_the_spill(good: Path, one: int, other: int) -> None:
    first, stop = sorted((one, other))
    with SpillReader(good) as reader:
        block = reader.read_block(first, stop - first)
    assert (block.first_frame, block.n_frames) == (first, stop - first)
    assert listed(block) == listed(make_spill().cut(first, stop))


@given(st.integers(1, N_FRAMES + 3))
def test_blocks_of_any_size_cover_the_spill_and_only_the_last_is_shorter(good: Path, size: int) -> None:
    with SpillReader(good) as reader:
        lengths = [(block.first_frame, block.n_frames) for block in reader.blocks(size)]
    assert [first for first, _ in lengths] == list(range(0, N_FRAMES, size))
    assert all(n == size for _, n in lengths[:-1])
    assert sum(n for _, n in lengths) == N_FRAMES


@settings(max_examples=40)
@given(st.lists(st.integers(0, N_FRAMES), max_size=6).map(sorted))
def test_the_bytes_of_a_file_do_not_depend_on_the_cutting_of_the_stream(
    good: Path, folder: Path, cuts: list[int]
) -> None:
    assert write(folder / "again.h5", make_spill(), cuts).read_bytes() == good.read_bytes()


def test_the_bytes_of_a_file_do_not_depend_on_the_order_of_the_provenance(good: Path, folder: Path) -> None:
    shuffled = dict(reversed(HEADER["provenance"].items()))
    assert write(folder / "again.h5", make_spill(), provenance=shuffled).read_bytes() == good.read_bytes()


def test_a_file_holds_no_time_of_writing(good: Path) -> None:
    with h5py.File(good) as file:
        objects = [file["/"]]
        file.visititems(lambda _name, item: objects.append(item))
        assert len(objects) == 1 + 1 + 4 * len(DETECTORS)
        assert not any(item.id.get_create_plist().get_obj_track_times() for item in objects)


def test_a_physicist_reads_the_file_with_h5py_alone(good: Path) -> None:
    stream = make_spill().streams["RICH"]
    with h5py.File(good) as file:
        assert (file.attrs["format"], file.attrs["version"], file.attrs["run"]) == (b"ktrig-spill", 1, 8764)
        assert json.loads(file.attrs["provenance"]) == HEADER["provenance"]
        rich = file["primitives/RICH"]
        assert (rich["offsets"][:] == stream.offsets).all()
        assert (rich["words"][:] == stream.words).all()
        assert len(rich["crc32"]) == 3


def test_the_writer_does_not_keep_the_arrays_it_was_given(good: Path, folder: Path) -> None:
    spill = make_spill()
    with SpillWriter(folder / "reused.h5", detectors=DETECTORS, block_frames=GRID, **HEADER) as writer:
        for first in range(N_FRAMES):
            piece = {n: s.cut(first, first + 1) for n, s in spill.streams.items()}
            copies = {n: FrameStream(first, s.offsets.copy(), s.words.copy()) for n, s in piece.items()}
            writer.write(Block(first, 1, copies))
            for stream in copies.values():
                stream.offsets[:] = -1
                stream.words[:] = 0
    assert (folder / "reused.h5").read_bytes() == good.read_bytes()


def test_a_block_lasts_for_as_many_reads_as_there_are_buffers_and_then_is_overwritten(good: Path) -> None:
    with SpillReader(good, buffers=2) as reader:
        first = reader.read_block(0, GRID)
        before = listed(first)
        reader.read_block(GRID, GRID)
        assert listed(first) == before
        third = reader.read_block(0, GRID)
        assert np.shares_memory(first.streams["RICH"].words, third.streams["RICH"].words)


def test_a_spill_without_frames_is_a_spill(folder: Path) -> None:
    path = folder / "none.h5"
    with SpillWriter(path, detectors=["RICH"], **HEADER):
        pass
    with SpillReader(path) as reader:
        assert reader.header.n_frames == 0
        assert list(reader.blocks()) == []
        assert reader.time_span("RICH") is None


def test_the_first_and_last_time_of_a_detector_are_those_of_its_stream(good: Path) -> None:
    with SpillReader(good) as reader:
        for name, stream in make_spill().streams.items():
            times = stream.times_lsb().tolist()
            assert reader.time_span(name) == ((times[0], times[-1]) if times else None)


# What the writer refuses.


@contextmanager
def refused(path: Path, what: str) -> Iterator[None]:
    """A SpillError of one line that names the file and leaves none behind."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else None
    with pytest.raises(SpillError, match=what) as caught:
        yield
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert before is None or sorted(path.parent.iterdir()) == before


def unsorted(block: Block) -> Block:
    rich = block.streams["RICH"]
    return Block(
        0, N_FRAMES, {**block.streams, "RICH": FrameStream(0, rich.offsets, rich.words[::-1].copy())}
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda b: b.cut(1, 5), "frame 1 does not follow frame -1"),
        (lambda b: Block(0, b.n_frames, {n: b.streams[n] for n in ("RICH", "CHOD")}), "the block has no LKr"),
        (lambda b: Block(0, b.n_frames, {**b.streams, "MUV3": b.streams["LKr"]}), "MUV3: .* not announced"),
        (lambda b: Block(0, b.n_frames - 1, b.streams), "does not cover the block's 20 frames"),
        (unsorted, r"frame 0, RICH: frame \d+: words are not sorted by time"),
    ],
)
def test_a_block_that_does_not_fit_is_refused_and_leaves_no_file(
    tmp_path: Path, change: Callable[[Block], Block], what: str
) -> None:
    path = tmp_path / "bad.h5"
    with refused(path, what), SpillWriter(path, detectors=DETECTORS, **HEADER) as writer:
        writer.write(change(make_spill()))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"run": -1}, "run is -1"),
        ({"burst": 2**63}, "burst is 9223372036854775808"),
        ({"run": 1.5}, "run is 1.5"),
        ({"block_frames": 0}, "block_frames is 0"),
        ({"experiment": ""}, "experiment is b''"),
        ({"provenance": {"when": object()}}, "provenance cannot be written as JSON"),
        ({"provenance": {"rate": float("nan")}}, "provenance cannot be written as JSON"),
        ({"provenance": [1]}, "provenance is JSON but not an object"),
        ({"detectors": []}, "no detectors"),
        ({"detectors": ["RICH", "RICH"]}, "'RICH' is not a name, or there twice"),
        ({"detectors": ["a/b"]}, "'a/b' is not a name"),
    ],
)
def test_a_value_that_cannot_be_written_is_refused(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = tmp_path / "bad.h5"
    with refused(path, what), SpillWriter(path, **{"detectors": ["RICH"], **HEADER, **change}):
        pass


def test_a_failure_while_writing_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "spill.h5", make_spill(1))
    before = path.read_bytes()
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        SpillWriter(path, detectors=DETECTORS, **HEADER) as writer,
    ):
        writer.write(make_spill(2))
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_replaces_a_spill_of_the_same_name_and_what_a_killed_writer_left(tmp_path: Path) -> None:
    path = write(tmp_path / "spill.h5", make_spill(1))
    path.with_name("spill.h5.partial").write_bytes(b"left over")
    write(path, make_spill(2))
    assert read_all(path)[1] == listed(make_spill(2).cut(0, GRID))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["text", "cut short", "foreign HDF5"])
def test_a_file_that_is_no_spill_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious"
    if kind == "foreign HDF5":
        with h5py.File(path, "w") as file:
            file["x"] = 1
    else:
        path.write_bytes(b"\x89HDF\r\n\x1a\n" if kind == "cut short" else b"downscaling = 200")
    before = path.read_bytes()
    with refused(path, "is there and is not a spill file; choose another name"):
        SpillWriter(path, detectors=DETECTORS, **HEADER).__enter__()
    assert path.read_bytes() == before


@pytest.mark.parametrize("limit", [1_000, 300_000])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "spill.h5"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with refused(path, "cannot be written: File too large; free space"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            write(path, make_spill())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    write(path, make_spill())


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "spill.h5", Path("/proc/version/spill.h5")):
        with refused(path, "cannot be written"):
            write(path, make_spill())
    for path in (tmp_path, Path("/dev/null")):
        with refused(path, "is not a regular file"):
            write(path, make_spill())
    for path in (Path(), Path("/")):
        with refused(path, "is a folder; give the name of the file to write"):
            write(path, make_spill())


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "spill.h5"
    with SpillWriter(path, detectors=DETECTORS, block_frames=GRID, **HEADER) as writer:
        with refused(path, "is being written by another process"):
            write(path, make_spill(2))
        writer.write(make_spill(1))
    assert read_all(path)[1] == listed(make_spill(1).cut(0, GRID))


# ktrig info


def test_info_shows_what_is_in_a_file_in_80_columns(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(info, [str(good)])
    assert shown.exit_code == 0
    assert "na62 run 8764 burst 500, simulated" in shown.output
    assert "2018-05-13 12:34:56.000000001 UTC" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_info_gives_counts_times_and_the_rate_between_first_and_last_primitive(good: Path) -> None:
    shown = json.loads(CliRunner().invoke(info, [str(good), "--json"]).output)
    times = make_spill().streams["RICH"].times_lsb()
    span = seconds(int(times[-1] - times[0]))
    assert shown["detectors"]["RICH"]["primitives"] == 300
    assert shown["detectors"]["RICH"]["rate_hz"] == pytest.approx(299 / span)
    assert shown["detectors"]["LKr"] == {"primitives": 0, "rate_hz": None, "first_s": None, "last_s": None}
    assert (shown["run"], shown["n_frames"], shown["size_bytes"]) == (8764, N_FRAMES, good.stat().st_size)
    assert shown["provenance"] == HEADER["provenance"]


def test_a_start_of_burst_that_is_not_known_is_not_shown_as_1970(folder: Path) -> None:
    path = write(folder / "unknown.h5", make_spill(), sob_unix_ns=0)
    assert "not known" in CliRunner().invoke(info, [str(path)]).output
