"""Files that are damaged in every way: `validate`, `info` and the reader name a problem, or nothing has changed."""

from __future__ import annotations

import os
import random
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from spill_cases import nobody

from streams.catalogue import load_experiment
from streams.spill import layout
from streams.spill.content import Given
from streams.spill.problem import BadSpillError
from streams.spill.reader import SpillReader
from streams.spill.summary import summary
from streams.spill.validate import validate
from streams.spill.writer import SpillWriter
from trigger.frames import Block, FrameStream

N_FRAMES = 5
GRID = 2
CHUNK = 4
"""Elements in a chunk: with those of the format the tiny file would be of 300 kB."""

WORDS = "primitives/RICH/words"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CHUNKS", dict.fromkeys(layout.CHUNKS, CHUNK))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A whole spill in some kilobytes."""
    stream = FrameStream.pack(
        np.array([10, 20, 65_536 + 5, 200_000, 200_001, 327_000]), np.full(6, 0x4000, np.uint16), 0, N_FRAMES
    )
    path = tmp_path / "tiny.h5"
    with SpillWriter(
        path,
        experiment="na62",
        run=8764,
        burst=500,
        sob_unix_ns=1,
        simulated=True,
        provenance={},
        detectors=["RICH"],
        block_frames=GRID,
    ) as writer:
        writer.write(Block(0, N_FRAMES, {"RICH": stream}))
    return path


def blocks(reader: SpillReader) -> list[Any]:
    """Header and blocks as plain values."""
    return [reader.header] + [
        (block.first_frame, name, stream.offsets.tolist(), stream.words.tolist())
        for block in reader.blocks(GRID)
        for name, stream in block.streams.items()
    ]


def content(path: Path) -> list[Any]:
    with SpillReader(path) as reader:
        return blocks(reader)


def shown(path: Path) -> dict[str, Any]:
    """What `ktrig info` shows."""
    with SpillReader(path) as reader:
        return summary(reader)


def content_and_shown(path: Path) -> tuple[Any, Any]:
    """Outcomes of both on a file that is opened once, which is what takes the time."""
    try:
        reader = SpillReader(path)
    except BadSpillError as wrong:
        return wrong, wrong
    with reader:
        return outcome(lambda _: blocks(reader), path), outcome(lambda _: summary(reader), path)


def outcome(ask: Callable[[Path], Any], path: Path) -> Any:
    """What `ask` returns, or the BadSpillError that it raises; anything else is a fault of ktrig."""
    try:
        return ask(path)
    except BadSpillError as wrong:
        return wrong


def assert_named(path: Path) -> None:
    """Reader, info and validate name a problem of the file, in a line."""
    for wrong in (outcome(content, path), outcome(shown, path)):
        assert isinstance(wrong, BadSpillError)
        assert "\n" not in str(wrong)
    (told, *_) = [problem for problem in validate(path) if problem.severity == "error"]
    assert told.what
    assert told.remedy
    assert "\n" not in str(told)


def test_the_tiny_file_is_good(tiny: Path) -> None:
    assert list(validate(tiny)) == []
    assert tiny.stat().st_size < 6000
    assert shown(tiny)["detectors"]["RICH"]["last_s"] == pytest.approx(327_000 * 97.465e-12, rel=1e-4)


@pytest.mark.needs_jit
def test_a_file_cut_short_at_any_byte_is_named(tiny: Path) -> None:
    for size in range(tiny.stat().st_size - 1, -1, -1):
        os.truncate(tiny, size)
        assert_named(tiny)


@pytest.mark.needs_jit
def test_a_bit_flipped_in_any_byte_is_found_or_changes_nothing(tiny: Path) -> None:
    whole = tiny.read_bytes()
    good, good_shown = content(tiny), shown(tiny)
    given = Given(profile=load_experiment("na62"))
    harmless = 0
    with tiny.open("r+b", buffering=0) as file:
        for place, byte in enumerate(whole):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << place % 8]), place)
            told = [*validate(tiny, given)]
            found, found_shown = content_and_shown(tiny)
            assert isinstance(found_shown, BadSpillError) or found_shown == good_shown
            if isinstance(found, BadSpillError):
                assert told[0].severity == "error"
            else:
                assert (found, told) == (good, [])
                harmless += 1
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert 0 < harmless < len(whole) / 2
    assert content(tiny) == good


def test_garbage_behind_the_signature_of_hdf5_is_named(tmp_path: Path) -> None:
    path = tmp_path / "garbage.h5"
    for seed in range(200):
        noise = random.Random(seed)
        version = bytes([seed % 4])  # Of the superblock; without a known one nothing more is looked at.
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + version + noise.randbytes(noise.randrange(3000)))
        assert_named(path)


def test_a_stretch_of_garbage_is_found_or_changes_nothing(tiny: Path) -> None:
    whole = tiny.read_bytes()
    good = content(tiny)
    for seed in range(100):
        noise = random.Random(seed)
        first = noise.randrange(len(whole))
        stretch = noise.randbytes(min(noise.randrange(1, 200), len(whole) - first))
        tiny.write_bytes(whole[:first] + stretch + whole[first + len(stretch) :])
        found, _shown = content_and_shown(tiny)
        told = [*validate(tiny)]
        assert told if isinstance(found, BadSpillError) else found == good


def changed(path: Path, change: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def other(name: str, **options: Any) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **options)

    return change


@pytest.mark.parametrize(
    ("name", "dtype"), [("words", ">u4"), ("offsets", ">i8"), ("crc32", ">u4"), ("words", "<i4")]
)
def test_an_array_of_another_byte_order_or_sign_is_named(tiny: Path, name: str, dtype: str) -> None:
    with h5py.File(tiny) as file:
        values = file[f"primitives/RICH/{name}"][:].astype(dtype)
    changed(tiny, other(f"primitives/RICH/{name}", data=values))
    assert_named(tiny)
    assert f"/{name}: is {np.dtype(dtype)}[{len(values)}], not " in str(outcome(content, tiny))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.attrs.create("n_frames", 2**62),
        lambda f: f.attrs.create("block_frames", 2**63 - 1),
        lambda f: f[WORDS].resize((2**40,)),
        other(WORDS, shape=(2**40,), dtype=np.uint32, chunks=(2**20,)),
        other(WORDS, shape=(2**40,), dtype=np.uint32),
        other("primitives/RICH/crc32", shape=(2**40,), maxshape=(None,), dtype=np.uint32),
        lambda f: f["primitives/RICH/offsets"].__setitem__(2, 2**62),
    ],
)
def test_a_huge_length_is_named_before_memory_is_taken_for_it(
    tiny: Path, change: Callable[[h5py.File], object]
) -> None:
    changed(tiny, change)
    tracemalloc.start()
    assert_named(tiny)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def sparse(file: h5py.File, name: str, n: int) -> None:
    """Replace an array by one of `n` zeros, which the file has, although the disk takes no space for them."""
    del file[f"primitives/RICH/{name}"]
    storage = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    storage.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    storage.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(layout.COLUMNS[name]))
    h5py.h5d.create(file["primitives/RICH"].id, name.encode(), kind, h5py.h5s.create_simple((n,)), storage)


def long_block(file: h5py.File) -> None:
    sparse(file, "words", 1 << 30)
    file["primitives/RICH/offsets"][N_FRAMES] = 1 << 30


def many_blocks(file: h5py.File) -> None:
    sparse(file, "crc32", 1 << 30)
    sparse(file, "offsets", (1 << 30) + 1)
    file[WORDS].resize((0,))
    file.attrs.update({"n_frames": 1 << 30, "block_frames": 1})


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process take no more than 1 GiB above what it has."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 30), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_a_block_for_which_there_is_no_memory_is_named(tiny: Path) -> None:
    changed(tiny, long_block)
    with little_memory():
        with SpillReader(tiny) as reader:
            wrong = outcome(lambda _: reader.read_block(N_FRAMES - 1, 1), tiny)
        told = [str(problem) for problem in validate(tiny)]
    assert "RICH/words: cannot be read (Unable to allocate" in str(wrong)
    assert any("RICH/words: cannot be read (Unable to allocate" in what for what in told)


def test_checksums_for_which_there_is_no_memory_are_named(tiny: Path) -> None:
    changed(tiny, many_blocks)
    with little_memory():
        wrong = outcome(content, tiny)
    assert "RICH/crc32: cannot be read (Unable to allocate" in str(wrong)


@pytest.mark.parametrize("place", ["primitives", "primitives/RICH", WORDS])
@pytest.mark.parametrize("kind", ["external", "pipe", "soft", "loop"])
def test_a_link_instead_of_a_group_or_an_array_is_named_and_not_followed(
    tiny: Path, place: str, kind: str
) -> None:
    os.mkfifo(tiny.with_name("pipe"))
    good = tiny.with_name("other.h5")
    good.write_bytes(tiny.read_bytes())

    def link(file: h5py.File) -> None:
        file.move(place, "moved")
        file[place] = {
            "external": h5py.ExternalLink(str(good), place),
            "pipe": h5py.ExternalLink(str(tiny.with_name("pipe")), place),
            "soft": h5py.SoftLink("/moved"),
            "loop": h5py.SoftLink(f"/{place}"),
        }[kind]

    changed(tiny, link)
    assert_named(tiny)


def test_a_group_that_holds_itself_is_named(tiny: Path) -> None:
    def loop(file: h5py.File) -> None:
        del file["primitives/RICH"]
        file["primitives/RICH"] = file["primitives"]

    assert_named(changed(tiny, loop))


def foreign(kind: str, path: Path) -> None:
    with h5py.File(path, "w", libver="latest" if kind == "latest" else "earliest") as file:
        if kind == "spill of another":
            file.attrs["format"] = "another-spill"
        elif kind == "table":
            file["t"] = np.zeros(3, [("time", "f8"), ("id", "S4")])
            file.attrs["format"] = np.zeros(3, [("time", "f8"), ("id", "S4")])
        elif kind == "reference":
            file.attrs["format"] = file.ref


@pytest.mark.parametrize("kind", ["empty", "latest", "spill of another", "table", "reference"])
def test_a_foreign_hdf5_file_is_named(tmp_path: Path, kind: str) -> None:
    foreign(kind, tmp_path / "foreign.h5")
    assert_named(tmp_path / "foreign.h5")


# Files that change, and names that are no files.


def test_a_file_removed_while_it_is_open_is_read_to_its_end(tiny: Path) -> None:
    good = content(tiny)
    with SpillReader(tiny) as reader:
        tiny.unlink()
        assert blocks(reader) == good


def test_a_file_that_shrinks_while_it_is_read_is_named_or_nothing_has_changed(tiny: Path) -> None:
    whole, good = tiny.read_bytes(), content(tiny)
    named = 0
    for size in range(0, len(whole), 29):
        tiny.write_bytes(whole)
        reader = SpillReader(tiny)
        os.truncate(tiny, size)
        try:
            found = blocks(reader)
        except BadSpillError:
            named += 1
        else:
            assert found == good
        reader.close()
    assert named


def test_a_file_that_shrinks_while_it_is_validated_has_a_problem(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block_crc32 = layout.block_crc32

    def shrink(words: Any, offsets: Any) -> int:
        os.truncate(tiny, 0)
        return block_crc32(words, offsets)

    monkeypatch.setattr(layout, "block_crc32", shrink)
    assert {problem.check for problem in validate(tiny)} & {"checksum", "readable", "offsets"}


def test_a_file_that_may_not_be_read_is_named(tiny: Path) -> None:
    tiny.chmod(0)
    with nobody():
        assert_named(tiny)
        assert str(outcome(content, tiny)) == (
            f"{tiny}: Permission denied; give a spill file that can be read"
        )


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
        (lambda path: path.symlink_to("/dev/stdin"), "is not a|No such|Permission"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
        (lambda path: path.symlink_to("/proc/self/mem"), "Input/output error"),
        (lambda path: path.touch(), "is not an HDF5 file"),
    ],
)  # fmt: skip
def test_what_is_no_file_that_can_be_read_is_named_at_once(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "spill.h5"
    make(path)
    assert_named(path)
    with pytest.raises(BadSpillError, match=what):
        SpillReader(path)


@pytest.mark.parametrize("name", ["", ".", "/", "x" * 300, "a/" * 3000])
def test_a_name_that_no_file_can_have_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_named(Path(name))
