"""The condition language of menu lines: `RICH & Q1 & !QX`, terms that one L0 mask can require or veto.

A term is `DETECTOR.BIT`, or a bit's name if only one detector has it; `!` in front makes it a veto. A mask
compares single bits, so the only connective is `&`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trigger.errors import KtrigError
from trigger.experiment import Detector, Experiment

OR_REMEDY: Final = "one mask has no OR: use two lines, or a primitive bit that is itself an OR"

_TOKEN: Final = re.compile(r"\s*(?:(?P<word>[A-Za-z0-9_.]+)|(?P<sign>&&|\|\||\S))")

_OR_SIGNS: Final = ("|", "||", "or")

_FOREIGN: Final = {
    **dict.fromkeys(_OR_SIGNS, OR_REMEDY),
    "&&": "write a single &",
    "and": "write &",
    ",": "write & between terms",
    "*": "write & between terms",
    "not": "write ! in front of the term",
    "~": "write ! in front of the term",
    ")": "closes what is not open; remove it",
}
"""How to write what other languages write otherwise."""


class ConditionError(KtrigError):
    """A condition that one mask cannot express, or that names what the experiment does not have."""


@dataclass(frozen=True)
class Term:
    """One bit that a line requires or vetoes; `word` is the name the condition gives it."""

    detector: Detector
    bit: int
    veto: bool
    word: str

    def __str__(self) -> str:
        return f"!{self.word}" if self.veto else self.word


def split(condition: str) -> tuple[tuple[bool, str], ...]:
    """Split a condition into (veto, name) pairs; the names are not looked up.

    Raises ConditionError that says what is wrong, at which column (from 1), and how to write it.
    """
    terms: list[tuple[bool, str]] = []
    veto, term_wanted, sign_column = False, True, 1
    for column, text, is_word in _tokens(condition):
        if is_word and not term_wanted:
            raise ConditionError(f"no & between {terms[-1][1]} and {text} (column {column}); add it")
        if is_word:
            terms.append((veto, text))
            veto, term_wanted = False, False
        elif text == "!" and term_wanted and not veto:
            veto, sign_column = True, column
        elif text == "&" and not term_wanted:
            term_wanted, sign_column = True, column
        else:
            text = text if text.isprintable() else ascii(text)
            raise ConditionError(f"{text} at column {column}{_misplaced(text, veto, _has_or(condition))}")
    if not terms and not veto:
        raise ConditionError(
            "is empty and would fire on every entry; if that is meant, write the bit of the detector that "
            "makes the entries"
        )
    if term_wanted:
        sign = "!" if veto else "&"
        raise ConditionError(f"{sign} at column {sign_column} has no term after it; add one or remove it")
    return tuple(terms)


def canonical(condition: str) -> str:
    """Return the condition with one way of spacing. Raises ConditionError as `split` does."""
    return " & ".join(f"!{name}" if veto else name for veto, name in split(condition))


def read_condition(condition: str, experiment: Experiment) -> tuple[Term, ...]:
    """Return the terms of a condition in order, each bit at most once.

    Raises ConditionError, and ExperimentError for a name that the experiment does not have.
    """
    terms: dict[tuple[str, int], Term] = {}
    for veto, word in split(condition):
        detector, bit = experiment.bit(word)
        term = Term(detector, bit, veto, word)
        before = terms.setdefault((detector.name, bit), term)
        if before is not term:
            raise ConditionError(_twice(before, term))
    return tuple(terms.values())


def _tokens(condition: str) -> Iterator[tuple[int, str, bool]]:
    """Yield (column, text, is a name) of each token."""
    for found in _TOKEN.finditer(condition):
        word = found.group("word")
        text = word or found.group("sign")
        is_name = word is not None and word.lower() not in _FOREIGN
        yield found.start("word" if word else "sign") + 1, text, is_name


def _has_or(condition: str) -> bool:
    return any(text.lower() in _OR_SIGNS for _, text, _ in _tokens(condition))


def _misplaced(sign: str, veto: bool, has_or: bool) -> str:
    """Say what is wrong with a sign where it stands, and the remedy."""
    if sign.lower() in _FOREIGN:
        return f": {_FOREIGN[sign.lower()]}"
    if sign == "(" and veto:
        return f": !(A & B) is an OR of vetoes, and {OR_REMEDY}; to veto each of them write !A & !B"
    if sign == "(" and has_or:
        return f": {OR_REMEDY}"
    if sign == "(":
        return ": there is nothing to group without OR; write the terms without parentheses, joined by &"
    if sign == "!":
        return " follows another !; write one" if veto else " has no & in front of it; add it"
    if sign == "&" and not veto:
        return " has no term before it; add one or remove it"
    if sign == "&":
        return " follows a ! without a term; add one or remove the !"
    return " is not allowed; write terms joined by &, with ! in front of a veto"


def _twice(before: Term, term: Term) -> str:
    bit = f"{term.detector.name} bit {term.bit}"
    if before.veto != term.veto:
        return f"{before} and {term} require and veto the same bit ({bit}): it can never fire; leave one out"
    if before.word == term.word:
        return f"{term} is written twice; leave one out"
    return f"{before} and {term} are the same bit ({bit}); leave one out"
