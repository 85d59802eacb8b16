from __future__ import annotations

from streams.catalogue import load_menu
from trigger.activity import LineActivity, activity

MENU, NA62 = load_menu("na62-2018")
ALL = [d.name for d in NA62.detector]


def verdicts(present: list[str]) -> dict[str, LineActivity]:
    return {v.name: v for v in activity(MENU, NA62, present)}


def without(*absent: str) -> list[str]:
    return [name for name in ALL if name not in absent]


def test_with_all_detectors_every_line_is_active_and_every_veto_applies() -> None:
    assert activity(MENU, NA62, ALL) == [
        LineActivity(name, True) for name in [*(line.name for line in MENU.line), "Control"]
    ]


def test_without_the_reference_only_the_control_trigger_is_active() -> None:
    found = verdicts(without("RICH"))
    assert [name for name, v in found.items() if v.active] == ["Control"]
    assert found["PNN"].reason == "reference RICH is absent"


def test_without_its_detector_the_control_trigger_is_inactive_and_no_line_cares() -> None:
    found = verdicts(without("CHOD"))
    assert [name for name, v in found.items() if not v.active] == ["Control"]
    assert found["Control"].reason == "control detector CHOD is absent"


def test_a_line_needs_every_detector_that_it_requires() -> None:
    found = verdicts(["RICH"])
    assert found["MinBias"].active
    assert found["MT"].reason == "requires NewCHOD, which is absent"
    assert found["mueMT"].reason == "requires NewCHOD and MUV3 and LKr, which are absent"


def test_a_veto_on_an_absent_detector_is_reported_and_the_line_stays_active() -> None:
    found = verdicts(without("MUV3", "LKr"))
    assert found["PNN"] == LineActivity(
        "PNN", True, "", ("veto on MUV3 not applied: absent", "veto on LKr not applied: absent")
    )
    assert found["MT"].unapplied == ()


def test_an_inactive_line_says_nothing_of_its_vetoes() -> None:
    assert verdicts(["RICH"])["PNN"].unapplied == ()


def test_the_calorimeter_alone_makes_no_line_active() -> None:
    assert not any(v.active for v in verdicts(["LKr"]).values())


def test_a_menu_without_control_has_a_verdict_a_line() -> None:
    menu = MENU.model_copy(update={"control": None})
    assert [v.name for v in activity(menu, NA62, ALL)] == [line.name for line in menu.line]
