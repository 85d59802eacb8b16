from __future__ import annotations

import pytest

from streams.catalogue import CatalogueError, load_experiment, names
from trigger.experiment import CALIBRATION_BIT, N_DETECTORS, Experiment, ExperimentError

TWO_HODOSCOPES = """\
name = "toy"
title = "Toy"

[beam]
nominal_intensity_mhz = 100
intensity_detector = "H1"
primitives_per_beam_particle = 0.1

[spill]
duration_s = 1.0

[[detector]]
index = 0
name = "H1"
title = "first hodoscope"
bits = { any = 14, two = 1, left = 2, sinistra = 2 }

[[detector]]
index = 5
name = "H2"
title = "second hodoscope"
bits = { two = 1, right = 3 }
"""


def toy() -> Experiment:
    return Experiment.from_toml(TWO_HODOSCOPES, "toy.toml")


def test_na62_has_seven_detectors_in_the_order_of_the_trigger_processors_inputs() -> None:
    detectors = load_experiment("na62").detector
    assert [d.name for d in sorted(detectors, key=lambda d: d.index)] == [
        "CHOD", "RICH", "LAV12", "MUV3", "NewCHOD", "TALK", "LKr",
    ]  # fmt: skip
    assert [d.index for d in detectors] == list(range(N_DETECTORS))


def test_bit_14_of_every_na62_detector_says_that_it_fired() -> None:
    for detector in load_experiment("na62").detector:
        assert detector.bits[detector.name] == CALIBRATION_BIT - 1


@pytest.mark.parametrize(
    ("condition", "detector", "bit"),
    [
        ("Q1", "NewCHOD", 0),
        ("NewCHOD.Q1", "NewCHOD", 0),
        ("CHOD", "CHOD", 14),
        ("NewCHOD", "NewCHOD", 14),
        ("M1", "MUV3", 0),
        ("LKr.LKr30", "LKr", 7),
    ],
)
def test_a_condition_is_a_detectors_bit_by_full_or_short_name(
    condition: str, detector: str, bit: int
) -> None:
    found, number = load_experiment("na62").bit(condition)
    assert (found.name, number) == (detector, bit)


def test_na62_names_the_conditions_that_its_menus_need_one_a_bit() -> None:
    na62 = load_experiment("na62")
    needed = {
        "NewCHOD": "Q1 Q2 QX UTMC H1 H2 QE1 QE2 QE3 QE4 HO1 HT1 HTO1",
        "MUV3": "M1 M2 MO1 MO2 MOQX MT1 MTO1",
        "LKr": "E1 E2 E5 E10 E20 E30 E40 C1 C2 C1E10 C2E10 LKr30",
    }
    for detector, conditions in needed.items():
        bits = [na62.find(detector).bits[name] for name in conditions.split()]
        assert len(set(bits)) == len(bits)
        assert set(bits) <= set(range(CALIBRATION_BIT - 1))


def test_two_names_of_a_bit_are_aliases() -> None:
    na62 = load_experiment("na62")
    assert na62.bit("E10") == na62.bit("LKr10")
    assert na62.bit("E20") == na62.bit("LKr20")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("two", "'two' is ambiguous; write H1.two or H2.two"),
        ("H1", "unknown condition 'H1'; H1 is a detector, write one of its bits: H1.any, H1.two, H1.left, "),
        ("rigth", "unknown condition 'rigth'; did you mean right?"),
        ("RIGHT", "unknown condition 'RIGHT'; did you mean right?"),
        ("nright", "unknown condition 'nright'; write !right for a veto"),
        ("zzzz", "unknown condition 'zzzz'; known are any, two, left, sinistra, right"),
        ("H2.left", "H2 has no bit 'left'; known are two, right"),
        ("H3.left", "toy has no detector 'H3'; did you mean H2 or H1?"),
        ("XYZ.left", "toy has no detector 'XYZ'; known are H1, H2"),
        ("H1.", "H1 has no bit ''; known are any, two, left, sinistra"),
    ],
)
def test_a_wrong_condition_is_an_error_with_the_choices(condition: str, message: str) -> None:
    with pytest.raises(ExperimentError) as wrong:
        toy().bit(condition)
    assert str(wrong.value).startswith(message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "H2"', 'name = "H1"', "toy.toml:20: detector[2].name: two detectors have the name H1; "),
        ("index = 5", "index = 0", "toy.toml:19: detector[2].index: two detectors have the index 0; "),
        ("index = 5", "index = 7", "toy.toml:19: detector[2].index: must be less than 7 (is 7)"),
        ("index = 5", "index = -1", "toy.toml:19: detector[2].index: must be 0 or more (is -1)"),
        ("right = 3", "right = 15", "toy.toml:22: detector[2].bits.right: must be less than 15 (is 15)"),
        (
            "right = 3",
            '"ri ght" = 3',
            'toy.toml:22: detector[2].bits."ri ght": must be letters, digits and _ ',
        ),
        (
            'name = "H2"',
            'name = "H.2"',
            'toy.toml:20: detector[2].name: must be letters, digits and _ (is "H.2")',
        ),
        (
            '= "H1"\nprim',
            '= "H3"\nprim',
            "toy.toml:6: beam.intensity_detector: H3 is not among the detectors; ",
        ),
        (
            "duration_s = 1.0",
            "duration_s = 0",
            "toy.toml:10: spill.duration_s: must be greater than 0 (is 0)",
        ),
        (
            "duration_s = 1.0",
            "duration_s = inf",
            "toy.toml:10: spill.duration_s: must be a finite number (is inf)",
        ),
    ],
)
def test_a_wrong_profile_is_an_error_with_its_place(old: str, new: str, message: str) -> None:
    assert old in TWO_HODOSCOPES
    with pytest.raises(ExperimentError) as wrong:
        Experiment.from_toml(TWO_HODOSCOPES.replace(old, new), "toy.toml")
    assert str(wrong.value).startswith(message)


@pytest.mark.parametrize("name", names("experiments"))
def test_every_shipped_profile_is_named_as_its_file(name: str) -> None:
    assert load_experiment(name).name == name


def test_a_profile_that_is_not_there_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(CatalogueError, match=r"^nowhere: no experiment of .* experiments: na62"):
        load_experiment("nowhere")
