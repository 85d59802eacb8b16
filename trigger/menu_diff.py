"""What changed from one menu to another: settings, lines, conditions, downscalings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trigger.conditions import Term, read_condition
from trigger.experiment import Experiment
from trigger.menu import Control, Line, Menu

_Row = tuple[int, Line | Control]

OF_LINES: Final = {*Line.model_fields} - {"name", "condition"}
"""Fields of a line, or of the control trigger if it has them, that are compared as they are."""


@dataclass(frozen=True)
class Change:
    """A field that differs; None stands for a field that is not set."""

    field: str
    a: Any
    b: Any


@dataclass(frozen=True)
class LineChange:
    """A line that differs, or that one menu lacks: name and row are None there (row 16 is the control trigger).

    removed, added: terms of the condition, where both menus have the line. fields: its other fields that differ.
    """

    name_a: str | None
    name_b: str | None
    row_a: int | None
    row_b: int | None
    condition_a: str | None
    condition_b: str | None
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    fields: tuple[Change, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Say in which ways it differs; none if it does not."""
        if self.name_a is None:
            return ("added",)
        if self.name_b is None:
            return ("removed",)
        ways = {
            "renamed": self.name_a != self.name_b,
            "moved": self.row_a != self.row_b,
            "condition": bool(self.removed or self.added),
            "fields": bool(self.fields),
        }
        return tuple(way for way, differs in ways.items() if differs)


@dataclass(frozen=True)
class MenuDiff:
    """What differs; nothing does if both are empty."""

    settings: tuple[Change, ...]
    lines: tuple[LineChange, ...]

    def __bool__(self) -> bool:
        return bool(self.settings or self.lines)


def diff_menus(a: tuple[Menu, Experiment], b: tuple[Menu, Experiment]) -> MenuDiff:
    """Compare two menus, each with the experiment whose names it uses.

    Lines are matched by name; of those left, two with the same condition are one line renamed. A condition is the
    set of its terms: their order and the choice between two names of a bit are no difference.
    """
    settings = _changes(_settings(a[0]), _settings(b[0]))
    pairs = _pairs(a, b)
    rows_b = {row for _, other in pairs if other for row, _ in [other]}
    changes = [_line_change(row, other, a[1], b[1]) for row, other in pairs]
    added = [row for row in b[0].rows if row[0] not in rows_b]
    changes += [_line_change(None, row, a[1], b[1]) for row in added]
    return MenuDiff(tuple(settings), tuple(change for change in changes if change.kinds))


def terms(row: _Row, experiment: Experiment) -> dict[tuple[str, int, bool], Term]:
    """Return the terms of a line's condition by detector, bit and whether it is a veto."""
    found = read_condition(row[1].condition, experiment)
    return {(term.detector.name, term.bit, term.veto): term for term in found}


def _pairs(a: tuple[Menu, Experiment], b: tuple[Menu, Experiment]) -> list[tuple[_Row, _Row | None]]:
    """Return each line of A with that of B that is the same one, in the order of A."""
    by_name = {line.name: (row, line) for row, line in b[0].rows}
    names_a = {line.name for _, line in a[0].rows}
    new = [row for row in b[0].rows if row[1].name not in names_a]
    pairs = []
    for row in a[0].rows:
        other = by_name.get(row[1].name)
        if other is None:
            same = [r for r in new if terms(r, b[1]).keys() == terms(row, a[1]).keys()]
            other = min(same, key=lambda r: (r[1].downscaling != row[1].downscaling, r[0]), default=None)
            new = [r for r in new if r is not other]
        pairs.append((row, other))
    return pairs


def _line_change(
    a: _Row | None, b: _Row | None, experiment_a: Experiment, experiment_b: Experiment
) -> LineChange:
    both = a is not None and b is not None
    terms_a, terms_b = terms(a, experiment_a) if a else {}, terms(b, experiment_b) if b else {}
    fields = _changes(_fields(a), _fields(b)) if both else ()
    return LineChange(
        a[1].name if a else None,
        b[1].name if b else None,
        a[0] if a else None,
        b[0] if b else None,
        a[1].condition if a else None,
        b[1].condition if b else None,
        tuple(str(term) for key, term in terms_a.items() if both and key not in terms_b),
        tuple(str(term) for key, term in terms_b.items() if both and key not in terms_a),
        tuple(fields),
    )


def _fields(row: _Row | None) -> dict[str, Any]:
    """Return the fields of a line that are neither its name nor its condition; text that is empty is not set."""
    content = row[1].model_dump(mode="json", include=OF_LINES) if row else {}
    return {field: value for field, value in content.items() if value != ""}


def _settings(menu: Menu) -> dict[str, Any]:
    """Return all that is not a line; of the control trigger, what a line does not have."""
    content = menu.model_dump(mode="json", exclude={"line"})
    if menu.control:
        content["control"] = {k: v for k, v in content["control"].items() if k not in Line.model_fields}
    return content


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the fields that differ, whatever fields there are; tables are looked into."""
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    for field in {**flat_a, **flat_b}:
        if flat_a.get(field) != flat_b.get(field):
            yield Change(field, flat_a.get(field), flat_b.get(field))


def _flat(content: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{head}{key}.")
        else:
            yield head + key, value
