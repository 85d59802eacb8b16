from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalogue import load_experiment
from trigger.conditions import ConditionError, canonical, read_condition, split
from trigger.errors import KtrigError
from trigger.experiment import Experiment

NA62 = load_experiment("na62")

ONE_MASK_HAS_NO_OR = "one mask has no OR: use two lines, or a primitive bit that is itself an OR"


def test_the_pnn_condition_is_three_required_and_three_vetoed_bits() -> None:
    terms = read_condition("RICH & Q1 & UTMC & !QX & !M1 & !LKr30", NA62)
    assert [(t.detector.name, t.bit, t.veto, t.word) for t in terms] == [
        ("RICH", 14, False, "RICH"),
        ("NewCHOD", 0, False, "Q1"),
        ("NewCHOD", 3, False, "UTMC"),
        ("NewCHOD", 2, True, "QX"),
        ("MUV3", 0, True, "M1"),
        ("LKr", 7, True, "LKr30"),
    ]
    assert [str(t) for t in terms] == ["RICH", "Q1", "UTMC", "!QX", "!M1", "!LKr30"]


def test_a_full_name_and_a_short_name_are_the_same_bit() -> None:
    (short,), (full,) = read_condition("!Q1", NA62), read_condition("!NewCHOD.Q1", NA62)
    assert (short.detector, short.bit, short.veto) == (full.detector, full.bit, full.veto)


@pytest.mark.parametrize(
    "text",
    ["RICH&Q1&!QX", "  RICH &  Q1&! QX ", "RICH\n  & Q1\n  & !QX\n", "RICH &\N{NO-BREAK SPACE}Q1 & !QX"],
)
def test_spacing_does_not_matter(text: str) -> None:
    assert canonical(text) == "RICH & Q1 & !QX"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "is empty and would fire on every entry; if that is meant, write the bit of the detector that "),
        (" \n", "is empty and would fire on every entry; "),
        ("RICH | Q1", f"| at column 6: {ONE_MASK_HAS_NO_OR}"),
        ("RICH || Q1", f"|| at column 6: {ONE_MASK_HAS_NO_OR}"),
        ("RICH or Q1", f"or at column 6: {ONE_MASK_HAS_NO_OR}"),
        ("RICH OR Q1", f"OR at column 6: {ONE_MASK_HAS_NO_OR}"),
        ("RICH & (Q1 | MO2)", f"( at column 8: {ONE_MASK_HAS_NO_OR}"),
        ("RICH & (Q1 || MO2)", f"( at column 8: {ONE_MASK_HAS_NO_OR}"),
        ("(RICH & Q1) OR MO2", f"( at column 1: {ONE_MASK_HAS_NO_OR}"),
        (
            "RICH & (ORION & Q1)",
            "( at column 8: there is nothing to group without OR; write the terms without ",
        ),
        ("(RICH & Q1)", "( at column 1: there is nothing to group without OR; write the terms without "),
        (
            "RICH & !(Q1 & QX)",
            f"( at column 9: !(A & B) is an OR of vetoes, and {ONE_MASK_HAS_NO_OR}; to veto each ",
        ),
        ("RICH & Q1)", ") at column 10: closes what is not open; remove it"),
        ("RICH && Q1", "&& at column 6: write a single &"),
        ("RICH and Q1", "and at column 6: write &"),
        ("RICH, Q1", ", at column 5: write & between terms"),
        ("RICH * Q1", "* at column 6: write & between terms"),
        ("not RICH", "not at column 1: write ! in front of the term"),
        ("RICH & ~Q1", "~ at column 8: write ! in front of the term"),
        ("RICH Q1", "no & between RICH and Q1 (column 6); add it"),
        ("RICH !Q1", "! at column 6 has no & in front of it; add it"),
        ("RICH & ", "& at column 6 has no term after it; add one or remove it"),
        ("RICH & !", "! at column 8 has no term after it; add one or remove it"),
        ("!", "! at column 1 has no term after it; add one or remove it"),
        ("& RICH", "& at column 1 has no term before it; add one or remove it"),
        ("RICH & & Q1", "& at column 8 has no term before it; add one or remove it"),
        ("RICH & ! & Q1", "& at column 10 follows a ! without a term; add one or remove the !"),
        ("!!RICH", "! at column 2 follows another !; write one"),
        ("RICH-Q1", "- at column 5 is not allowed; write terms joined by &, with ! in front of a veto"),
        ("RICH & Qé", "é at column 9 is not allowed; "),
        ("RICH & \x07", "'\\x07' at column 8 is not allowed; "),
        ("__import__('os')", "( at column 11: there is nothing to group without OR; "),
    ],
)
def test_what_one_mask_cannot_express_is_an_error_that_says_how_to_write_it(
    condition: str, message: str
) -> None:
    with pytest.raises(ConditionError) as wrong:
        split(condition)
    assert str(wrong.value).startswith(message)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("RICH & RICH", "RICH is written twice; leave one out"),
        ("!QX & !QX", "!QX is written twice; leave one out"),
        ("Q1 & NewCHOD.Q1", "Q1 and NewCHOD.Q1 are the same bit (NewCHOD bit 0); leave one out"),
        ("E10 & LKr10", "E10 and LKr10 are the same bit (LKr bit 1); leave one out"),
        (
            "Q1 & RICH & !Q1",
            "Q1 and !Q1 require and veto the same bit (NewCHOD bit 0): it can never fire; leave one out",
        ),
        (
            "!LKr20 & E20",
            "!LKr20 and E20 require and veto the same bit (LKr bit 2): it can never fire; leave one out",
        ),
    ],
)
def test_a_bit_stands_in_a_condition_once(condition: str, message: str) -> None:
    with pytest.raises(ConditionError) as wrong:
        read_condition(condition, NA62)
    assert str(wrong.value) == message


@pytest.mark.parametrize("condition", ["RICH & Q3", "RICH & KTAG.Q1", "MUV3.Q1"])
def test_an_unknown_name_is_an_error_of_ours(condition: str) -> None:
    with pytest.raises(KtrigError):
        read_condition(condition, NA62)


BITS = sorted({(d.name, bit) for d in NA62.detector for bit in d.bits.values()})


def _word(experiment: Experiment, detector: str, bit: int) -> str:
    return next(f"{detector}.{name}" for name, b in experiment.find(detector).bits.items() if b == bit)


@given(st.lists(st.tuples(st.sampled_from(BITS), st.booleans()), min_size=1, unique_by=lambda t: t[0]))
def test_the_terms_read_are_the_terms_written(asked: list[tuple[tuple[str, int], bool]]) -> None:
    condition = "&".join("!" * veto + _word(NA62, detector, bit) for (detector, bit), veto in asked)
    read = [((t.detector.name, t.bit), t.veto) for t in read_condition(condition, NA62)]
    assert read == asked


@given(st.text(alphabet="RICHQ1 &!|().,\n\x00é"))
def test_any_text_is_read_or_refused_with_one_of_our_errors(text: str) -> None:
    message = ""
    try:
        read_condition(text, NA62)
    except KtrigError as wrong:
        message = str(wrong)
    assert "\n" not in message
