"""Checks of a spill file: a good file has no problem, and each way of breaking it has its name."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from spill_cases import (
    DECAYS,
    GRID,
    N_FRAMES,
    PARTICLES,
    RICH,
    Change,
    attribute,
    both,
    element,
    group_attribute,
    length,
    record,
    with_checksums,
    without,
    without_attribute,
    write,
    write_full,
)

from streams.catalogue import load_experiment, load_menu
from streams.spill import form
from streams.spill.content import Given
from streams.spill.problem import BadSpillError, Finding, Scope, checks
from streams.spill.reader import SpillReader
from streams.spill.validate import NOTHING_GIVEN, validate
from trigger.records import KINDS


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
    "an attribute of an array": (
        lambda file: file[f"{RICH}/words"].attrs.create("unit", "LSB"),
        [("extras", f"/{RICH}/words")],
    ),
    "a member too many": (
        both(
            lambda file: file.create_group("notes"),
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


BREAKAGES_OF_EXTRAS: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "a hit detector that no algorithm reads": (
        lambda file: file.move("hits/KTAG", "hits/KTAC"),
        [("hit_detectors", "/hits"), ("parts", "/readout attribute windows")],
    ),
    "hits without offsets": (without("hits/KTAG/offsets"), [("arrays", "/hits/KTAG/offsets")]),
    "a flipped bit in a hit": (
        lambda file: file["hits/KTAG/words"].__setitem__(3, 0x4000_0015),
        [("checksum", "/hits/KTAG frames 0 to 7")],
    ),
    "a flipped bit in a record": (
        lambda file: file["beam/records"].__setitem__(3, np.zeros((), KINDS["beam"])),
        [("checksum", "/beam frames 0 to 7")],
    ),
    "records of another type": (
        both(without("beam/records"), lambda file: file.create_dataset("beam/records", data=np.zeros(32))),
        [("arrays", "/beam/records")],
    ),
    "records out of order": (record("clusters", 5, "time", 5), [("record_order", "/clusters frame 2")]),
    "a record that is not a number": (record("rings", 4, "radius_mm", np.nan), [("finite", "/rings frame 2")]),
    "a decay of no mode": (record(DECAYS, 3, "mode", 1), [("truth_links", f"/{DECAYS} frame 3")]),
    "a decay with particles that are not there": (
        record(DECAYS, 15, "n_particles", 3),
        [("truth_links", f"/{DECAYS} frame 15")],
    ),
    "a readout that does not say its menu": (
        group_attribute("readout", "menu", None),
        [("descriptions", "/readout attribute menu")],
    ),
    "windows that end before they begin": (
        group_attribute("readout", "windows", '{"KTAG": [25, -25]}'),
        [("descriptions", "/readout attribute windows")],
    ),
    "a truth without the number of its decays": (
        group_attribute("truth", "modes", '[{"name": "K-mu-nu", "parent": "K+"}]'),
        [
            ("descriptions", "/truth attribute modes"),
            ("truth_links", f"/{DECAYS} frame 0"),
            ("truth_links", f"/{DECAYS} frame 8"),
        ],
    ),
    "hits without a readout": (without("readout"), [("parts", "/readout")]),
    "no window for the hits": (
        group_attribute("readout", "windows", '{"GTK": [-1, 1], "LKr": [-5, 5], "RICH": [-5, 5]}'),
        [("parts", "/readout attribute windows")],
    ),
    "decays without particles": (without(PARTICLES), [
        ("parts", f"/{PARTICLES}"), ("truth_links", f"/{DECAYS} frame 0"), ("truth_links", f"/{DECAYS} frame 8"),
    ]),
    "an intensity that was changed": (
        lambda file: file["truth/intensity_mhz"].__setitem__(1, 751.0),
        [("intensity", "/truth/intensity_mhz")],
    ),
    "cells of no frames": (
        lambda file: file["truth/intensity_mhz"].attrs.__setitem__("cell_frames", 0),
        [("intensity", "/truth/intensity_mhz attribute cell_frames")],
    ),
    "a decay whose particles are beyond all": (
        record(DECAYS, 3, "first_particle", 2**63 - 1),
        [("truth_links", f"/{DECAYS} frame 3")],
    ),
    "an attribute too many in the readout": (
        group_attribute("readout", "author", "me"),
        [("extras", "/readout")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("broken", BREAKAGES_OF_EXTRAS)
def test_each_way_of_breaking_hits_and_records_is_named_with_its_place_and_nothing_else_is(
    tmp_path: Path, broken: str
) -> None:
    change, expected = BREAKAGES_OF_EXTRAS[broken]
    path = write_full(tmp_path / "broken.h5")
    assert problems(path) == []
    with h5py.File(path, "r+") as file:
        change(file)
    assert problems(path) == expected


ELSEWHERE = {"readable", "partial", "menu"}
"""Checks that files of another kind or name fail; they have tests of their own below."""


def test_each_check_has_a_file_that_fails_it() -> None:
    failed = {
        name for _change, expected in (BREAKAGES | BREAKAGES_OF_EXTRAS).values() for name, _place in expected
    }
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
    refused = error_of_reading(path)
    if broken == "offsets that fall":  # The reader sees only that the words are then cut wrong.
        assert refused is not None
        assert (refused.problem.check, of_form[0].check) == ("checksum", "offsets")
    else:
        assert ([] if refused is None else [refused.problem]) == of_form[:1]


def error_of_reading(path: Path) -> BadSpillError | None:
    try:
        with SpillReader(path) as reader:
            list(reader.blocks(GRID))
    except BadSpillError as wrong:
        return wrong
    return None


def test_an_error_goes_from_one_process_to_another_as_it_is(tmp_path: Path) -> None:
    wrong = error_of_reading(tmp_path / "missing.h5")
    assert wrong is not None
    copy = pickle.loads(pickle.dumps(wrong))
    assert (
        str(copy)
        == str(wrong)
        == f"{tmp_path}/missing.h5: No such file or directory; give a spill file that can be read"
    )
    assert copy.problem == wrong.problem


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
    assert no_control.what == "Control: inactive, control detector CHOD is absent"
    no_reference = [p.what for p in validate(write(tmp_path / "reference.h5", ["CHOD"]), given)]
    assert no_reference[0].endswith(": inactive, reference RICH is absent")
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
