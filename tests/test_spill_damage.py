"""A spill file that is damaged, foreign or untrue: the reader refuses it in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from spill_cases import attribute, length

from streams.spill.layout import SpillError
from streams.spill.reader import SpillReader
from streams.spill.writer import SpillWriter
from trigger.clock import LSB_PER_FRAME
from trigger.frames import Block, FrameStream

N_FRAMES = 21
GRID = 8
"""Frames under a checksum in these tests: the last block of the grid is shorter."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spills")


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    """A spill with a busy detector and a sparse one."""
    rng = np.random.default_rng(1)
    streams = {}
    for name, n in (("RICH", 300), ("CHOD", 9)):
        times = rng.integers(0, N_FRAMES * LSB_PER_FRAME, n)
        ids = rng.integers(1, 0x10000, n).astype(np.uint16)
        streams[name] = FrameStream.pack(times, ids, 0, N_FRAMES)
    path = folder / "good.h5"
    with SpillWriter(
        path,
        experiment="na62",
        run=8764,
        burst=500,
        sob_unix_ns=0,
        simulated=True,
        provenance={"seed": 1},
        detectors=list(streams),
        block_frames=GRID,
    ) as writer:
        writer.write(Block(0, N_FRAMES, streams))
    return path


def read_all(path: Path) -> list[Any]:
    """Header and blocks as plain values."""
    with SpillReader(path) as reader:
        return [reader.header] + [
            (block.first_frame, name, stream.offsets.tolist(), stream.words.tolist())
            for block in reader.blocks(GRID)
            for name, stream in block.streams.items()
        ]


@contextmanager
def refused(path: Path, what: str) -> Iterator[None]:
    """A SpillError of one line that names the file."""
    with pytest.raises(SpillError, match=what) as caught:
        yield
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def damaged(good: Path, change: Callable[[h5py.File], None], folder: Path) -> Path:
    path = folder / "damaged.h5"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replace(name: str, **options: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **options)

    return change


WORDS = "primitives/RICH/words"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (attribute("format", b"other"), "is not a ktrig spill file"),
        (lambda f: f.attrs.pop("format"), "is not a ktrig spill file"),
        (attribute("version", 2), "has format version 2; this ktrig reads version 1"),
        (lambda f: f.attrs.pop("n_frames"), "attribute n_frames: is missing"),
        (attribute("run", "x"), "attribute run: is 'x', but must be a whole number"),
        (attribute("run", [1, 2]), "attribute run: is array"),
        (attribute("block_frames", 0), "attribute block_frames: is 0, .* at least 1"),
        (attribute("simulated", 1.0), "attribute simulated: is 1.0"),
        (attribute("provenance", "{"), "attribute provenance: is not JSON"),
        (attribute("n_frames", N_FRAMES - 1), "offsets: has 22 elements, not 21"),
        (attribute("n_frames", 2**62), "offsets: has 22 elements, not 4611686018427387905"),
        (lambda f: f.pop("primitives"), "/primitives: is not a group, or not there"),
        (lambda f: f.pop(WORDS), "/primitives/RICH/words: is not an array, or not there"),
        (replace("primitives/RICH", data=1), "/primitives/RICH: is not a group"),
        (replace(WORDS, data=np.zeros(300)), "words: is float64"),
        (replace(WORDS, data=np.zeros((2, 2), np.uint32)), "words: is uint32"),
        (replace(WORDS, data=np.zeros(300, np.uint32), compression="gzip"), "is compressed"),
        (replace(WORDS, shape=(2**40,), dtype=np.uint32, chunks=(8,)), "the file does not hold them"),
        (length("words", 299), "runs from 0 to 300, not from 0 to the 299 words"),
        (length("crc32", 2), "crc32: has 2 elements, not 3"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_does_not_open(
    good: Path, tmp_path: Path, change: Callable[[h5py.File], None], what: str
) -> None:
    path = damaged(good, change, tmp_path)
    with refused(path, what):
        SpillReader(path)


def set_element(name: str, index: int, value: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            set_element(WORDS, 0, 0),
            "/primitives/RICH frames 0 to 7: the CRC-32 is 0x",
        ),
        (set_element("primitives/CHOD/crc32", 2, 0), "/primitives/CHOD frames 16 to 20: the CRC-32 is 0x"),
        (set_element("primitives/RICH/offsets", 9, 0), "/primitives/RICH frames 8 to 15: the CRC-32"),
        (
            set_element("primitives/RICH/offsets", GRID, 10**15),
            "frames 0 to 7: hold words 0 to 1000000000000000 of 300",
        ),
        (set_element("primitives/RICH/offsets", GRID, -5), "frame 7: offsets fall"),
    ],
)
def test_a_damaged_block_is_not_returned(
    good: Path, tmp_path: Path, change: Callable[[h5py.File], None], what: str
) -> None:
    path = damaged(good, change, tmp_path)
    with refused(path, what):
        read_all(path)


def test_a_run_inside_a_damaged_block_is_not_returned_either(good: Path, tmp_path: Path) -> None:
    path = damaged(good, set_element(WORDS, 0, 0), tmp_path)
    with refused(path, "CRC-32"), SpillReader(path) as reader:
        reader.read_block(GRID - 1, 1)


def test_an_unsorted_stream_is_refused_even_without_checksums(good: Path, tmp_path: Path) -> None:
    path = damaged(good, set_element(WORDS, 0, 0xFFFF), tmp_path)
    with refused(path, "frame 0: words are not sorted by time"), SpillReader(path, check_crc=False) as reader:
        reader.read_block(0, GRID)


def test_without_checksums_a_changed_id_is_read(good: Path, tmp_path: Path) -> None:
    path = damaged(good, set_element(WORDS, 0, 0), tmp_path)
    with SpillReader(path, check_crc=False) as reader:
        assert reader.read_block(0, GRID).streams["RICH"].words[0] == 0


@pytest.mark.parametrize(("first", "n"), [(-1, 2), (20, 2), (5, -1)])
def test_frames_outside_the_spill_cannot_be_read(good: Path, first: int, n: int) -> None:
    with refused(good, "are not inside the spill's 21 frames"), SpillReader(good) as reader:
        reader.read_block(first, n)
