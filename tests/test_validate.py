"""`ktrig validate`: a good file has no problem, and each way of breaking it has its name."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from streams.catalogue import CatalogueError, load_experiment, load_menu
from streams.cli.validate import command
from streams.spill import form
from streams.spill.content import Given
from streams.spill.layout import block_crc32
from streams.spill.problem import BadSpillError, Finding, Scope, checks
from streams.spill.reader import SpillReader
from streams.spill.validate import NOTHING_GIVEN, validate
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


def problems(path: Path, given: Given = NOTHING_GIVEN) -> list[tuple[str, str]]:
    return [(problem.check, problem.place) for problem in validate(path, given)]


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    assert problems(write(tmp_path / "good.h5")) == []


def contiguous(name: str) -> Change:
    def change(file: h5py.File) -> None:
        values = file[f"{RICH}/{name}"][:]
        del file[f"{RICH}/{name}"]
        file.create_dataset(f"{RICH}/{name}", data=values)

    return change


def no_words(file: h5py.File) -> None:
    file[f"{RICH}/offsets"][:] = 0
    file[f"{RICH}/words"].resize((0,))


def no_frames(file: h5py.File) -> None:
    file.attrs["n_frames"] = 0
    for detector in file["primitives"].values():
        for name, n in (("offsets", 1), ("words", 0), ("crc32", 0)):
            detector[name].resize((n,))


BREAKAGES: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "another format": (attribute("format", b"other"), [("format", "file")]),
    "a newer version": (attribute("version", 2), [("format", "file")]),
    "an attribute is missing": (without_attribute("burst"), [("attributes", "attribute burst")]),
    "an attribute of another type": (attribute("run", "x"), [("attributes", "attribute run")]),
    "two wrong attributes": (
        both(attribute("run", -1), attribute("n_frames", 1.5)),
        [("attributes", "attribute run"), ("attributes", "attribute n_frames")],
    ),
    "a provenance that is not JSON": (attribute("provenance", "{"), [("attributes", "attribute provenance")]),
    "an attribute and a word": (
        both(attribute("experiment", 1), element("words", 31, 0x4000_0015)),
        [("attributes", "attribute experiment"), ("checksum", f"/{RICH} frames 8 to 15")],
    ),
    "an unknown experiment": (attribute("experiment", "na99"), [("experiment", "attribute experiment")]),
    "an unknown detector": (
        lambda file: file.move("primitives/CHOD", "primitives/CHOP"),
        [("detectors", "/primitives/CHOP")],
    ),
    "a detector whose name cannot be shown": (
        lambda file: file.move("primitives/CHOD", "primitives/CH\nOD"),
        [("names", "/primitives")],
    ),
    "no detector": (
        both(without(RICH), without("primitives/CHOD")),
        [("detectors", "/primitives")],
    ),
    "no primitives": (without("primitives"), [("groups", "/primitives")]),
    "a detector that is no group": (
        both(without(RICH), lambda file: file.create_dataset(RICH, data=1)),
        [("groups", f"/{RICH}")],
    ),
    "no frames": (no_frames, [("empty", "attribute n_frames")]),
    "an attribute too many": (attribute("owner", "me"), [("extras", "/")]),
    "a member too many": (
        both(
            lambda file: file.create_group("hits"),
            lambda file: file[RICH].create_dataset("times", data=1),
        ),
        [("extras", "/"), ("extras", f"/{RICH}")],
    ),
    "a missing array": (without(f"{RICH}/words"), [("arrays", f"/{RICH}/words")]),
    "fewer frames than the header says": (
        attribute("n_frames", N_FRAMES + GRID),
        [("lengths", f"/primitives/{d}/{array}") for d in ("RICH", "CHOD") for array in ("offsets", "crc32")],
    ),
    "one checksum too few": (length("crc32", 2), [("lengths", f"/{RICH}/crc32")]),
    "an array without chunks": (contiguous("words"), [("chunks", f"/{RICH}/words")]),
    "offsets that do not start at 0": (
        with_checksums(element("offsets", 0, 1)),
        [("ends", f"/{RICH}/offsets")],
    ),
    "more words than offsets": (length("words", 61), [("ends", f"/{RICH}/offsets")]),
    "offsets that fall": (element("offsets", 10, 40), [("offsets", f"/{RICH} frame 10")]),
    "offsets that leave the words": (
        element("offsets", 20, 10**12),
        [("ends", f"/{RICH}/offsets"), ("offsets", f"/{RICH} frames 16 to 19")],
    ),
    "an unsorted frame": (
        with_checksums(element("words", 30, 0x4000_FFFF)),
        [("order", f"/{RICH} frame 10")],
    ),
    "a changed word": (element("words", 31, 0x4000_0015), [("checksum", f"/{RICH} frames 8 to 15")]),
    "a changed checksum": (element("crc32", 2, 0), [("checksum", f"/{RICH} frames 16 to 19")]),
    "a detector without primitives": (with_checksums(no_words), [("silent", f"/{RICH}")]),
    "an ID of 0": (with_checksums(element("words", 35, 0x0000_001E)), [("zero", f"/{RICH} frame 11")]),
    "a bit without a name": (
        with_checksums(both(element("words", 35, 0x4001_001E), element("words", 47, 0x4002_001E))),
        [("bits", f"/{RICH} frame 11")],
    ),
    "two bad blocks": (
        both(element("words", 0, 0), element("words", 50, 0x4000_0015)),
        [
            ("checksum", f"/{RICH} frames 0 to 7"),
            ("checksum", f"/{RICH} frames 16 to 19"),
            ("zero", f"/{RICH} frame 0"),
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


ELSEWHERE = {"readable", "partial", "menu"}
"""Checks that files of another kind or name fail; they have tests of their own below."""


def test_each_check_has_a_file_that_fails_it() -> None:
    failed = {name for _change, expected in BREAKAGES.values() for name, _place in expected}
    assert failed | ELSEWHERE == {check.name for check in checks()}


def test_a_check_says_in_a_sentence_what_it_asks() -> None:
    assert all(check.asks.endswith(".") for check in checks())


def test_two_checks_cannot_have_one_name() -> None:
    scope: Scope[[]] = Scope("block")

    def order() -> Iterator[Finding]:
        yield from ()

    with pytest.raises(ValueError, match="two checks are called order"):
        scope.check()(order)


@pytest.mark.parametrize("broken", BREAKAGES)
def test_the_reader_refuses_a_file_with_the_words_of_the_first_error_of_its_form(
    tmp_path: Path, broken: str
) -> None:
    path = write(tmp_path / "broken.h5")
    with h5py.File(path, "r+") as file:
        BREAKAGES[broken][0](file)
    of_form = [problem for problem in validate(path) if hasattr(form, problem.check)]
    try:
        with SpillReader(path) as reader:
            list(reader.blocks(GRID))
    except BadSpillError as wrong:
        refused = pickle.loads(pickle.dumps(wrong))  # As between the processes of a replay.
        assert str(refused) == str(wrong)
        if broken == "offsets that fall":  # The reader sees only that the words are then cut wrong.
            assert (refused.problem.check, of_form[0].check) == ("checksum", "offsets")
        else:
            assert refused.problem == of_form[0]
            assert str(refused).endswith(str(of_form[0]))
    else:
        assert of_form == []


def test_an_id_that_only_calibration_primitives_have_needs_no_name(tmp_path: Path) -> None:
    path = write(tmp_path / "calibration.h5")
    with h5py.File(path, "r+") as file:
        with_checksums(element("words", 35, 0xB001_001E))(file)
    assert problems(path) == []


def test_what_cannot_be_opened_is_a_problem_of_the_file(tmp_path: Path) -> None:
    good = write(tmp_path / "good.h5")
    (tmp_path / "short.h5").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text").write_text("not HDF5")
    for name in ("short.h5", "text", "missing", "."):
        assert problems(tmp_path / name) == [("readable", "file")]


def test_a_file_that_is_being_written_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path / "good.h5").rename(tmp_path / "good.h5.partial")
    assert problems(path) == [("partial", "file")]


# Profiles and menus that are given.


@pytest.fixture
def own_profile(tmp_path: Path) -> Path:
    """A profile of the user's own: na62 by another name, with bit 0 of the RICH named."""
    shipped = (Path(__file__).parents[1] / "trigger/experiments/na62.toml").read_text(encoding="utf-8")
    text = shipped.replace('name = "na62"', 'name = "mine"').replace("{ RICH = 14 }", "{ RICH = 14, R0 = 0 }")
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_an_experiment_of_ones_own_is_checked_with_its_profile(
    tmp_path: Path, own_profile: Path
) -> None:
    path = write(tmp_path / "mine.h5", experiment="mine")
    with h5py.File(path, "r+") as file:
        with_checksums(both(element("words", 35, 0x4001_001E), element("words", 47, 0x4002_001E)))(file)
    assert problems(path) == [("experiment", "attribute experiment")]
    given = Given(profile=load_experiment(str(own_profile)))
    assert problems(path, given) == [("bits", f"/{RICH} frame 15")]
    assert problems(write(tmp_path / "na62.h5"), given) == [("experiment", "attribute experiment")]


def test_a_menu_tells_the_lines_that_are_inactive_or_lack_a_veto(tmp_path: Path) -> None:
    given = Given(menu=load_menu("na62-2018"))
    assert problems(write(tmp_path / "all.h5", load_experiment("na62").inputs), given) == []
    (no_control,) = validate(
        write(tmp_path / "control.h5", ["RICH", "LAV12", "MUV3", "NewCHOD", "LKr", "TALK"]), given
    )
    assert (no_control.severity, no_control.place) == ("warning", "menu na62-2018")
    assert no_control.what == "Control inactive: control detector CHOD is absent"
    no_reference = [p.what for p in validate(write(tmp_path / "reference.h5", ["CHOD"]), given)]
    assert no_reference[0].endswith("inactive: reference RICH is absent")
    vetoes = [
        p.what for p in validate(write(tmp_path / "veto.h5", ["CHOD", "RICH", "NewCHOD", "LKr"]), given)
    ]
    assert any("veto on MUV3 not applied: absent" in what for what in vetoes)


def test_a_menu_for_another_experiment_is_told(tmp_path: Path, own_profile: Path) -> None:
    text = (Path(__file__).parents[1] / "trigger/menus/na62-2018.toml").read_text(encoding="utf-8")
    menu = tmp_path / "menu.toml"
    menu.write_text(text.replace('experiment = "na62"', 'experiment = "mine"'), encoding="utf-8")
    given = Given(menu=load_menu(str(menu), str(own_profile)))
    (told,) = validate(write(tmp_path / "good.h5"), given)
    assert told.what == "is for mine, the spill is of na62"


# The command.


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """A good file with two warnings."""
    path = write(tmp_path / "warned.h5")
    with h5py.File(path, "r+") as file:
        both(attribute("owner", "me"), with_checksums(element("words", 35, 0x0000_001E)))(file)
    return path


def test_the_command_exits_0_if_all_files_are_good(tmp_path: Path) -> None:
    path = write(tmp_path / "good.h5")
    result = run(path, path)
    assert (result.exit_code, result.output) == (0, 2 * f"{path}: good\n")


def test_the_command_exits_1_with_a_line_for_each_problem(tmp_path: Path, warned: Path) -> None:
    bad = write(tmp_path / "bad.h5")
    with h5py.File(bad, "r+") as file:
        element("words", 35, 0x4000_001F)(file)
    result = run(bad, warned)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{bad}: error: checksum: /primitives/RICH frames 8 to 15: the CRC-32 is 0x")
    assert lines[0].endswith(" as written; copy the file again")
    assert lines[1:] == [
        f"{warned}: warning: extras: /: has the attribute 'owner', which is not of the format; "
        "it is not read; leave it out",
        f"{warned}: warning: zero: /primitives/RICH frame 11: first of 1 primitives with ID 0, which the L0 "
        "processor discards; leave them out",
        f"{warned}: good, 2 warnings",
    ]


def test_warnings_do_not_change_the_exit_code_unless_strict(warned: Path) -> None:
    assert run(warned).exit_code == 0
    strict = run(warned, "--strict")
    assert (strict.exit_code, "good" in strict.output) == (1, False)
    assert run(warned, "--json").exit_code == 0
    assert run(warned, "--json", "--strict").exit_code == 1


def test_the_command_prints_one_json_object_when_asked(tmp_path: Path, warned: Path) -> None:
    path = write(tmp_path / "unknown.h5", detectors=["RICH"], experiment="na99")
    result = run(path, warned, "--json")
    shown = json.loads(result.output)
    assert (result.exit_code, shown["errors"], shown["warnings"]) == (1, 1, 2)
    (told,) = shown["files"][str(path)]
    assert told == {
        "check": "experiment",
        "severity": "error",
        "place": "attribute experiment",
        "what": "is 'na99', known are na62",
        "remedy": "give its profile with --experiment",
    }


def test_the_command_lists_its_checks_without_a_file() -> None:
    result = run("--list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[1] for line in lines] == [check.name for check in checks()]
    assert all(line.endswith(check.asks) for line, check in zip(lines, checks(), strict=True))


def test_wrong_arguments_exit_2(tmp_path: Path) -> None:
    assert run().exit_code == 2
    assert run(write(tmp_path / "good.h5"), "--lenient").exit_code == 2


def test_a_profile_or_menu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "good.h5")
    for option in ("--experiment", "--menu"):
        assert isinstance(run(path, option, "nosuch").exception, CatalogueError)
