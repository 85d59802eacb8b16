"""TOML into checked models, with errors that name file, line, field and remedy."""

from __future__ import annotations

import json
import re
import tomllib
from difflib import get_close_matches
from typing import Annotated, Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Strict, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from trigger.errors import KtrigError

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]

SHOWN: Final = 60
"""Characters of a wrong value that an error repeats."""


class Table(BaseModel):
    """A TOML table: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Whole = Annotated[int, Strict()]
"""An integer; `true`, `2.0` and `"2"` are not."""

Real = Annotated[float, Strict()]
"""A finite number; `true` and `"2"` are not."""

_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
_WORD: Final = r"^[A-Za-z0-9_]+$"

Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""A name that can be a metric's label and part of a file name."""

Word = Annotated[str, StringConstraints(pattern=_WORD)]
"""A name that can stand in a condition."""

_PATTERNS: Final = {
    _NAME: "must be letters, digits and . _ + - and begin with a letter or digit",
    _WORD: "must be letters, digits and _",
}

NEAR: Final = 0.5
"""Similarity (difflib's ratio) from which a name is suggested; a two-letter name with one wrong has 0.5."""


def fault(path: Path, message: str) -> PydanticCustomError:
    """Make the exception with which a model's validator names a fault at `path` below that model."""
    return PydanticCustomError("fault", "{message}", {"message": message, "path": path})


def line_of(text: str, path: Path) -> int:
    """Return the 1-based line on which the value at `path` is complete, or that of its nearest parent.

    A prefix of a TOML file that ends with a whole statement parses, so the first prefix that has the value
    ends on its line. Quadratic in the file's length, and used only to word an error.
    """
    lines = text.replace("\r\n", "\n").split("\n")
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
    words = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{_key(p)}" for p in path)
    return words.removeprefix(".")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def place(text: str, source: str, path: Path) -> str:
    """Name the value at `path` for an error: `source:23: line[2].downscaling`.

    text: the TOML that the value is from, or "" for a value that was made without.
    """
    where = f"{source}:{line_of(text, path)}" if text else source
    return f"{where}: {dotted(path)}" if path else where


def shown(value: object) -> str:
    """Repeat a wrong value in an error as TOML has it, cut short if it is long."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def parse(model: type[Model], text: str, source: str, error: type[KtrigError]) -> Model:
    """Parse TOML text into `model`; anything wrong raises `error` as `source:line: field: ...`."""
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise error(f"{source}:1: not valid TOML: nested too deeply") from None
    except ValueError as wrong:
        named = re.search(r"at line (\d+)", str(wrong))
        line = named.group(1) if named else str(text.count("\n") + 1)
        raise error(f"{source}:{line}: not valid TOML: {wrong}") from None
    try:
        return model.model_validate(values)
    except ValidationError as wrong:
        found = wrong.errors(include_url=False)
    # A misspelt field is also a missing one: what is there and wrong comes first.
    first = min(found, key=lambda e: (e["type"] == "missing", line_of(text, _path(e))))
    raise error(f"{place(text, source, _path(first))}: {_remedy(model, first)}")


def _path(found: Any) -> Path:
    """Return where a finding is; pydantic adds "[key]" to a key that is wrong itself."""
    loc = tuple(step for step in found["loc"] if step != "[key]")
    return loc + tuple(found.get("ctx", {}).get("path", ()))


def _remedy(model: type[BaseModel], found: Any) -> str:
    """Word one of pydantic's findings: what is wanted, then what is there."""
    kind, loc, ctx = found["type"], found["loc"], found.get("ctx", {})
    if kind == "fault":
        return str(ctx["message"])
    if kind == "extra_forbidden":
        return "there is no such field; " + _nearest(model, loc)
    if kind == "missing":
        is_table = len(loc) == 1 and _table_in(model.model_fields[str(loc[0])].annotation)
        return f"missing; add the table [{loc[0]}]" if is_table else "missing; add this field"
    if kind in _SHAPES:
        table = dotted(loc) if isinstance(loc[-1], str) else f"[{dotted(loc[:-1])}]"
        return _SHAPES[kind].format(field=table) + f" (is {shown(found['input'])})"
    if kind == "string_pattern_mismatch":
        message = _PATTERNS[ctx["pattern"]]
    elif kind in _WORDS:
        limits = {k: f"{v:.0f}" if isinstance(v, float) and v.is_integer() else v for k, v in ctx.items()}
        message = _WORDS[kind].format(**limits)
    else:
        message = found["msg"].removeprefix("Value error, ")
    return f"{message} (is {shown(found['input'])})"


_SHAPES: Final = {
    "model_type": "must be a table; write [{field}] and its fields below",
    "dict_type": "must be a table; write [{field}] and NAME = number below",
    "tuple_type": "must be a list of tables; write [[{field}]] before each",
}
"""Pydantic's kinds of finding where the value has not even the right shape -> what to write."""

_WORDS: Final = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "string_type": "must be text in quotes",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
}
"""Pydantic's kinds of finding about a value -> what it must be."""


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside an annotation such as `tuple[Line, ...]` or `Control | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((t for t in map(_table_in, get_args(annotation)) if t), None)


def _nearest(model: type[BaseModel], loc: Path) -> str:
    """Name the field that an unknown one was meant to be, or all that its table has."""
    for key in loc[:-1]:
        if isinstance(key, str):
            model = _table_in(model.model_fields[key].annotation) or model
    near = get_close_matches(str(loc[-1]), model.model_fields, n=1, cutoff=NEAR)
    return f"did you mean {near[0]}?" if near else f"the fields here are {', '.join(model.model_fields)}"
