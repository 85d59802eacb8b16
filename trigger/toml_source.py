"""TOML into checked models, with errors that name file, line, field and remedy."""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from trigger.errors import KtrigError

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]


def line_of(text: str, path: Path) -> int:
    """Return the 1-based line on which the value at `path` is complete, or that of its nearest parent.

    A prefix of a TOML file that ends with a whole statement parses, so the first prefix that has the value
    ends on its line. Quadratic in the file's length, and used only to word an error.
    """
    lines = text.splitlines()
    while path:
        for n in range(1, len(lines) + 1):
            try:
                value: Any = tomllib.loads("\n".join(lines[:n]))
                for key in path:
                    value = value[key]
            except (tomllib.TOMLDecodeError, KeyError, IndexError, TypeError):
                continue
            return n
        path = path[:-1]
    return 1


def dotted(path: Path) -> str:
    """Write a path as a user would: `line[2].downscaling`, counted from 1."""
    words = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in path)
    return words.removeprefix(".")


def parse(model: type[Model], text: str, source: str, error: type[KtrigError]) -> Model:
    """Parse TOML text into `model`; anything wrong raises `error` as `source:line: field: ...`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        place = re.search(r"at line (\d+)", str(wrong))
        line = place.group(1) if place else str(text.count("\n") + 1)
        raise error(f"{source}:{line}: not valid TOML: {wrong}") from None
    try:
        return model.model_validate(values)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        path = tuple(first["loc"])
        place_text = f"{source}:{line_of(text, path)}"
        raise error(f"{place_text}: {dotted(path)}: {_remedy(first)}") from None


def _remedy(first: Any) -> str:
    given = first.get("input")
    if first["type"] == "extra_forbidden":
        return "this field is not known; remove it or mend its spelling"
    if first["type"] == "missing":
        return "this field is missing; add it"
    message = first["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(given, dict | list) else f" (is {given!r})"
    return message[0].lower() + message[1:] + shown
