"""TOML tables into NamedTuples of numbers, which kernels take as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from streams.simulate.settings import SimulationError

Record = TypeVar("Record")


def read_table(record: type[Record], given: object, place: str) -> Record:
    """Make a NamedTuple of a TOML table with its fields: numbers, lists of n numbers, or tables for
    nested tuples.

    place: file and table, for errors. Raises SimulationError for a field that is missing, unknown or of another type.
    """
    hints = get_type_hints(record, include_extras=True)
    if not isinstance(given, Mapping):
        raise SimulationError(f"{place} is {given!r}; it must be a table")
    for name in given.keys() - hints.keys():
        raise SimulationError(f"{place}.{name} is not known; remove it")
    for name in hints.keys() - given.keys():
        raise SimulationError(f"{place}.{name} is missing; add it")
    return record(**{name: _value(hint, given[name], f"{place}.{name}") for name, hint in hints.items()})


def _value(hint: Any, given: Any, place: str) -> Any:
    if hasattr(hint, "_fields"):
        return read_table(hint, given, place)
    if hint in (int, float):
        if isinstance(given, bool) or not isinstance(given, int if hint is int else (int, float)):
            raise SimulationError(
                f"{place} is {given!r}; it must be {'a whole' if hint is int else 'a'} number"
            )
        return hint(given)
    n = hint.__metadata__[0]
    if not (
        isinstance(given, list) and len(given) == n and all(type(value) in (int, float) for value in given)
    ):
        raise SimulationError(f"{place} is {given!r}; it must be a list of {n} numbers")
    return tuple(map(float, given))
