"""What changed between two menus, for a person at 80 columns and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from trigger.menu import N_MASKS
from trigger.menu_diff import Change, LineChange, MenuDiff

COLUMNS: Final = 80
INDENT: Final = " " * 2
HANGING: Final = " " * 6


def as_dict(diff: MenuDiff) -> dict[str, Any]:
    """Return a difference as a plain dictionary."""
    return {
        "same": not diff,
        "settings": [asdict(change) for change in diff.settings],
        "lines": [{"kinds": list(line.kinds)} | asdict(line) for line in diff.lines],
    }


def text_lines(diff: MenuDiff) -> Iterator[str]:
    """Yield lines of text, none if there is no difference."""
    if diff.settings:
        yield "settings"
        for change in diff.settings:
            yield from _wrapped(INDENT, _change(change))
    if diff.lines:
        yield "lines"
        for line in diff.lines:
            yield from _line(line)


def _line(line: LineChange) -> Iterator[str]:
    """Yield a line for each way in which a line of the menu differs."""
    name = line.name_b if line.name_a is None else line.name_a
    for kind in line.kinds:
        if kind == "renamed":
            yield from _wrapped(INDENT, f"{name}: is called {line.name_b} in B")
        elif kind == "moved":
            yield from _wrapped(INDENT, f"{name}: {_row(line.row_a)} -> {_row(line.row_b)}")
        elif kind == "condition":
            gone = [f"without {term}" for term in line.removed]
            new = [f"with {term}" for term in line.added]
            yield from _wrapped(INDENT, f"{name}: {', '.join([*gone, *new])}")
        elif kind == "fields":
            for change in line.fields:
                yield from _wrapped(INDENT, f"{name}: {_change(change)}")
        else:
            condition = line.condition_b if kind == "added" else line.condition_a
            row = _row(line.row_b if kind == "added" else line.row_a)
            yield from _wrapped(INDENT, f"{name}: {kind} ({row}: {condition})")


def _change(change: Change) -> str:
    return f"{change.field} {_value(change.a)} -> {_value(change.b)}"


def _value(value: Any) -> str:
    return "not set" if value is None else str(value)


def _row(row: int | None) -> str:
    return "control" if row == N_MASKS else f"mask {row}"


def _wrapped(indent: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent=indent, subsequent_indent=HANGING, break_on_hyphens=False
    )
