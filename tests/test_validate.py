"""`ktrig validate`: a good file has no problem, and each way of breaking it has its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from streams.cli.validate import command
from streams.spill.layout import block_crc32
from streams.spill.validate import validate
from streams.spill.writer import SpillWriter
from trigger.frames import Block, FrameStream

N_FRAMES = 20
GRID = 8
RICH = "primitives/RICH"

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


def problems(path: Path) -> list[tuple[str, str]]:
    return [(problem.check, problem.place) for problem in validate(path)]


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    assert problems(write(tmp_path / "good.h5")) == []


BREAKAGES: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "another format": (attribute("format", b"other"), [("attributes", "attribute format")]),
    "a newer version": (attribute("version", 2), [("attributes", "attribute version")]),
    "an attribute is missing": (without_attribute("burst"), [("attributes", "attribute burst")]),
    "an attribute of another type": (attribute("run", "x"), [("attributes", "attribute run")]),
    "two wrong attributes": (
        both(attribute("run", -1), attribute("n_frames", 1.5)),
        [("attributes", "attribute run"), ("attributes", "attribute n_frames")],
    ),
    "a provenance that is not JSON": (attribute("provenance", "{"), [("attributes", "attribute provenance")]),
    "an unknown experiment": (attribute("experiment", "na99"), [("experiment", "attribute experiment")]),
    "an unknown detector": (
        lambda file: file.move("primitives/CHOD", "primitives/CHOP"),
        [("detectors", "/primitives/CHOP")],
    ),
    "no detector": (
        both(without(RICH), without("primitives/CHOD")),
        [("detectors", "/primitives")],
    ),
    "no primitives": (without("primitives"), [("readable", "/primitives")]),
    "a missing array": (without(f"{RICH}/words"), [("arrays", f"/{RICH}/words")]),
    "fewer frames than the header says": (
        attribute("n_frames", N_FRAMES + GRID),
        [("lengths", f"/primitives/{d}/{array}") for d in ("RICH", "CHOD") for array in ("offsets", "crc32")],
    ),
    "one checksum too few": (length("crc32", 2), [("lengths", f"/{RICH}/crc32")]),
    "offsets that do not start at 0": (
        with_checksums(element("offsets", 0, 1)),
        [("offsets", f"/{RICH}/offsets[0]")],
    ),
    "more words than offsets": (length("words", 61), [("offsets", f"/{RICH}/offsets[20]")]),
    "offsets that fall": (element("offsets", 10, 40), [("offsets", f"/{RICH} frame 10")]),
    "offsets that leave the words": (
        element("offsets", 20, 10**12),
        [("offsets", f"/{RICH}/offsets[20]"), ("offsets", f"/{RICH} frame 16")],
    ),
    "an unsorted frame": (
        with_checksums(element("words", 30, 0x4000_FFFF)),
        [("order", f"/{RICH} frame 10")],
    ),
    "a changed word": (element("words", 31, 0x4000_0015), [("checksum", f"/{RICH} frames 8 to 15")]),
    "a changed checksum": (element("crc32", 2, 0), [("checksum", f"/{RICH} frames 16 to 19")]),
    "an ID of 0": (with_checksums(element("words", 35, 0x0000_001E)), [("ids", f"/{RICH} frame 11")]),
    "two bad blocks": (
        both(element("words", 0, 0), element("words", 50, 0x4000_0015)),
        [
            ("checksum", f"/{RICH} frames 0 to 7"),
            ("ids", f"/{RICH} frame 0"),
            ("checksum", f"/{RICH} frames 16 to 19"),
        ],
    ),
}


@pytest.mark.parametrize("broken", BREAKAGES)
def test_each_way_of_breaking_a_file_is_named_with_its_place_and_nothing_else_is(
    tmp_path: Path, broken: str
) -> None:
    change, expected = BREAKAGES[broken]
    path = write(tmp_path / "broken.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    assert problems(path) == expected


def test_what_cannot_be_opened_is_a_problem_of_the_file(tmp_path: Path) -> None:
    good = write(tmp_path / "good.h5")
    (tmp_path / "short.h5").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text").write_text("not HDF5")
    for name in ("short.h5", "text", "missing", "."):
        assert problems(tmp_path / name) == [("readable", "file")]


def test_the_command_exits_0_if_all_files_are_good(tmp_path: Path) -> None:
    path = str(write(tmp_path / "good.h5"))
    result = CliRunner().invoke(command, [path, path])
    assert (result.exit_code, result.output) == (0, 2 * f"{path}: good\n")


def test_the_command_exits_1_with_a_line_for_each_problem(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.h5"), write(tmp_path / "bad.h5")
    with h5py.File(bad, "r+") as file:
        element("words", 35, 0x0000_001E)(file)
    result = CliRunner().invoke(command, [str(bad), str(good)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{bad}: checksum: /primitives/RICH frames 8 to 15: the CRC-32 is 0x")
    assert lines[1:] == [
        f"{bad}: ids: /primitives/RICH frame 11: primitives with ID 0 from here to frame 15: 1",
        f"{good}: good",
    ]


def test_the_command_prints_one_json_object_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "unknown.h5", detectors=["RICH"], experiment="na99")
    result = CliRunner().invoke(command, [str(path), "--json"])
    shown = json.loads(result.output)
    assert (result.exit_code, shown["problems"]) == (1, 1)
    assert shown["files"][str(path)][0]["check"] == "experiment"
