from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.catalogue import load_experiment, load_menu
from trigger.l0.registers import (
    CONTROL,
    IGNORE,
    N_DETECTORS,
    N_MASKS,
    L0Registers,
    RegisterError,
    compile_registers,
    register_word,
)
from trigger.menu import Control, L0Settings, Line, Menu, MenuError

NA62 = load_experiment("na62")
RICH, MUV3, NEWCHOD, LKR = (NA62.find(name).index for name in ("RICH", "MUV3", "NewCHOD", "LKr"))


def menu_of(*conditions: str, control: Control | None = None, downscaling: int = 1) -> Menu:
    lines = [Line(name=f"L{i}", condition=c, downscaling=downscaling) for i, c in enumerate(conditions)]
    l0 = L0Settings(reference="RICH", fine_time_bits=2, time_cut_lsb=64)
    return Menu(name="m", experiment="na62", l0=l0, control=control, line=tuple(lines))


def fires(registers: L0Registers, ids: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """The firmware's formula for every row; ids: uint16[7]."""
    met: NDArray[np.bool_] = ((ids | registers.dontcare) == registers.mask).all(axis=1)
    return registers.enabled & met


def words(registers: L0Registers, row: int) -> list[str]:
    pairs = zip(registers.mask[row], registers.dontcare[row], strict=True)
    return [f"{register_word(mask, dontcare):08X}" for mask, dontcare in pairs]


def test_pnn_compiles_to_the_words_that_one_writes_by_hand() -> None:
    menu, experiment = load_menu("na62-2018")
    assert words(compile_registers(menu, experiment), 0) == [
        "7FFF7FFF",  # CHOD: ignored
        "3FFF7FFF",  # RICH: bit 14 required
        "7FFF7FFF",  # LAV12: ignored
        "7FFE7FFE",  # MUV3: veto on bit 0, M1
        "7FF27FFB",  # NewCHOD: bits 0 (Q1) and 3 (UTMC) required, veto on bit 2 (QX)
        "7FFF7FFF",  # TALK: ignored
        "7F7F7F7F",  # LKr: veto on bit 7, LKr30
    ]


def test_a_downscaling_of_400_is_register_399() -> None:
    menu, experiment = load_menu("na62-2018")
    registers = compile_registers(menu, experiment)
    assert registers.downscale[CONTROL] == 399
    assert registers.downscale[: len(menu.line)].tolist() == [0, 199, 99, 1, 7, 7, 4, 1, 9999]


def test_the_widest_downscaling_fills_the_register() -> None:
    assert compile_registers(menu_of("RICH", downscaling=2**32), NA62).downscale[0] == 0xFFFFFFFF


def test_the_control_trigger_is_the_row_behind_the_masks() -> None:
    control = Control(detector="CHOD", condition="CHOD & !M1", downscaling=400)
    registers = compile_registers(menu_of("RICH", control=control), NA62)
    assert (registers.reference, registers.control) == (RICH, NA62.find("CHOD").index)
    assert registers.enabled.nonzero()[0].tolist() == [0, CONTROL]
    assert words(registers, CONTROL)[0] == "3FFF7FFF"
    assert words(registers, CONTROL)[MUV3] == "7FFE7FFE"


def test_a_menu_without_control_has_none() -> None:
    registers = compile_registers(menu_of("RICH"), NA62)
    assert registers.control is None
    assert not registers.enabled[CONTROL]


def test_masks_without_a_line_never_fire() -> None:
    registers = compile_registers(menu_of("RICH"), NA62)
    anything = np.full(N_DETECTORS, IGNORE, np.uint16)
    assert fires(registers, anything).nonzero()[0].tolist() == [0]
    assert words(registers, 5) == ["7FFF7FFF"] * N_DETECTORS


def test_the_settings_of_the_processor_come_from_the_menu() -> None:
    l0 = L0Settings(
        reference="RICH",
        fine_time_bits=1,
        time_cut_lsb=100,
        time_cuts_lsb={"MUV3": 50, "LKr": 200},
        ignore_until_tick=4000,
    )
    registers = compile_registers(menu_of("RICH").model_copy(update={"l0": l0}), NA62)
    assert registers.fine_time_bits == 1
    assert registers.time_cut_lsb.tolist() == [100, 100, 100, 50, 100, 100, 200]
    assert registers.ignore_until_tick == 4000
    assert compile_registers(menu_of("RICH"), NA62).ignore_until_tick == -1


def test_lines_that_cannot_fire_with_the_detectors_present_are_disabled() -> None:
    menu = menu_of(
        "RICH", "RICH & Q1", "!M1", control=Control(detector="LKr", condition="LKr", downscaling=1)
    )
    registers = compile_registers(menu, NA62, present={"RICH", "CHOD"})
    assert registers.enabled.nonzero()[0].tolist() == [0, 2]
    assert compile_registers(menu, NA62, present={"LKr"}).enabled.nonzero()[0].tolist() == [CONTROL]


def test_a_menu_for_another_experiment_does_not_compile() -> None:
    menu = menu_of("RICH").model_copy(update={"experiment": "koto"})
    with pytest.raises(MenuError, match=r"^menu m: experiment: a menu for another experiment"):
        compile_registers(menu, NA62)


BITS = sorted({(d.name, bit) for d in NA62.detector for bit in d.bits.values()})
CONDITIONS = st.lists(
    st.tuples(st.sampled_from(BITS), st.booleans()), min_size=1, max_size=8, unique_by=lambda t: t[0]
)


def in_words(terms: list[tuple[tuple[str, int], bool]]) -> str:
    """Write a condition as a user would, with the first name that each bit has."""
    names = [next(n for n, b in NA62.find(d).bits.items() if b == bit) for (d, bit), _ in terms]
    return " & ".join("!" * veto + f"{d}.{n}" for ((d, _), veto), n in zip(terms, names, strict=True))


def naive_fire(condition: str, ids: dict[str, int]) -> bool:
    """Judge the words of a condition one by one on the bits themselves."""
    for word in condition.split(" & "):
        detector, name = word.removeprefix("!").split(".")
        bit_is_set = format(ids[detector], "016b")[::-1][NA62.find(detector).bits[name]] == "1"
        if bit_is_set == word.startswith("!"):
            return False
    return all(i < 2**15 for i in ids.values())


@given(
    st.lists(CONDITIONS, min_size=1, max_size=N_MASKS),
    st.lists(st.integers(0, 2**15 - 1), min_size=N_DETECTORS, max_size=N_DETECTORS),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_compiled_registers_agree_with_the_words_of_the_conditions(
    asked: list[list[tuple[tuple[str, int], bool]]], noise: list[int], obey: list[bool]
) -> None:
    ids = {d.name: noise[d.index] for d in NA62.detector}
    for ((detector, bit), veto), obeyed in zip(asked[0], obey, strict=False):
        if obeyed:  # Random IDs alone hardly ever meet a condition of several terms.
            ids[detector] = ids[detector] & ~(1 << bit) if veto else ids[detector] | 1 << bit
    conditions = [in_words(terms) for terms in asked]
    registers = compile_registers(menu_of(*conditions), NA62)
    as_array = np.array([ids[d.name] for d in NA62.detector], np.uint16)
    expected = [naive_fire(c, ids) for c in conditions]
    assert fires(registers, as_array)[: len(conditions)].tolist() == expected


@given(CONDITIONS, st.sampled_from(range(N_DETECTORS)))
@example([(("RICH", 14), False)], RICH)
def test_a_calibration_bit_in_the_window_would_keep_every_line_from_firing(
    terms: list[tuple[tuple[str, int], bool]], calibrated: int
) -> None:
    registers = compile_registers(menu_of(in_words(terms)), NA62)
    ids = registers.mask[0] & ~registers.dontcare[0]
    assert fires(registers, ids)[0]
    ids[calibrated] |= 1 << 15
    assert not fires(registers, ids)[0]


def test_a_register_word_has_dontcare_above_mask() -> None:
    assert register_word(0x7FFF, 0x3FFF) == 0x3FFF7FFF
    assert register_word(np.uint16(0xFFFF), np.uint16(0xFFFF)) == 0xFFFFFFFF


def good_fields() -> dict[str, Any]:
    """Fields as a JSON file has them: lists of plain integers."""
    return {
        "fine_time_bits": 3,
        "reference": 1,
        "control": None,
        "mask": [[IGNORE] * 7] * 17,
        "dontcare": [[IGNORE] * 7] * 17,
        "enabled": [1] * 16 + [0],
        "downscale": [2**32 - 1] * 17,
        "time_cut_lsb": [64] * 7,
    }


def test_registers_are_made_of_lists_and_have_the_kernels_types() -> None:
    registers = L0Registers(**good_fields())
    arrays = ("mask", "dontcare", "enabled", "downscale", "time_cut_lsb")
    assert [getattr(registers, a).dtype for a in arrays] == ["u2", "u2", "?", "u4", "i4"]
    assert all(getattr(registers, a).flags.c_contiguous for a in arrays)
    assert registers.mask.shape == registers.dontcare.shape == (17, 7)


@pytest.mark.parametrize("order", ["C", "F"])
def test_registers_own_their_arrays_and_hold_them_row_by_row(order: Literal["C", "F"]) -> None:
    mask = np.full((17, 7), IGNORE, np.uint16, order)
    registers = L0Registers(**(good_fields() | {"mask": mask}))
    mask[0, 0] = 0
    assert registers.mask[0, 0] == IGNORE
    assert registers.mask.flags.c_contiguous


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("fine_time_bits", 4, "fine_time_bits: must be a whole number from 0 to 3 (is 4)"),
        ("fine_time_bits", True, "fine_time_bits: must be a whole number from 0 to 3 (is True)"),
        ("reference", 7, "reference: must be a whole number from 0 to 6 (is 7)"),
        ("reference", None, "reference: must be a whole number from 0 to 6 (is None)"),
        ("control", -1, "control: must be a whole number from 0 to 6 (is -1)"),
        ("ignore_until_tick", -2, "ignore_until_tick: must be a whole number from -1 to 4294967295 (is -2)"),
        ("mask", [[IGNORE] * 7] * 16, "mask: its shape must be (17, 7) (is (16, 7))"),
        ("mask", [[IGNORE] * 7] * 16 + [[0]], "mask: rows differ in length; its shape must be (17, 7)"),
        ("mask", [[65536] * 7] * 17, "mask[0, 0]: must be from 0 to 65535 (is 65536)"),
        ("dontcare", [[0] * 7] * 16 + [[0] * 6 + [-1]], "dontcare[16, 6]: must be from 0 to 65535 (is -1)"),
        ("dontcare", [[0.5] * 7] * 17, "dontcare: must be whole numbers (is float64)"),
        ("enabled", [2] * 17, "enabled[0]: must be from 0 to 1 (is 2)"),
        ("enabled", [True] * 17, "enabled[16] is set without a control detector; name one or clear it"),
        ("downscale", [0] * 16 + [2**32], "downscale[16]: must be from 0 to 4294967295 (is 4294967296)"),
        ("downscale", [0] * 16 + [2**80], "downscale: must be whole numbers (is object)"),
        ("downscale", ["x"] * 17, "downscale: must be whole numbers (is <U1)"),
        ("time_cut_lsb", [64] * 6 + [32768], "time_cut_lsb[6]: must be from 0 to 32767 (is 32768)"),
        ("time_cut_lsb", 64, "time_cut_lsb: its shape must be (7,) (is ())"),
    ],
)
def test_a_register_that_the_processor_cannot_hold_is_named(field: str, value: object, message: str) -> None:
    with pytest.raises(RegisterError) as wrong:
        L0Registers(**(good_fields() | {field: value}))
    assert str(wrong.value) == message


def test_a_changed_copy_is_checked_again() -> None:
    registers = compile_registers(menu_of("RICH"), NA62)
    assert replace(registers, fine_time_bits=0).fine_time_bits == 0
    with pytest.raises(RegisterError):
        replace(registers, fine_time_bits=9)
