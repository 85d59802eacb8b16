"""TOML tables into NamedTuples of numbers, which kernels take as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from streams.simulate.settings import SimulationError
from trigger.jit import Matrix

Record = TypeVar("Record")

_ARRAYS = {
    NDArray[np.float64]: (np.float64, 1), NDArray[np.int64]: (np.int64, 1), NDArray[np.int32]: (np.int32, 1),
    Matrix: (np.float64, 2),
}  # fmt: skip


def read_table(record: type[Record], given: object, place: str) -> Record:
    """Make a NamedTuple of a TOML table with its fields: numbers, arrays, or tables for nested tuples.

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
    dtype, dimensions = _ARRAYS[hint]
    try:
        array = np.ascontiguousarray(given, dtype)
    except (TypeError, ValueError):
        array = np.zeros((0,) * (dimensions + 1))
    if array.ndim != dimensions:
        raise SimulationError(f"{place} is {given!r}; it must be {'rows of ' * (dimensions - 1)}numbers")
    return array
