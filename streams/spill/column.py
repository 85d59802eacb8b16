"""One array of a stream in a spill file, read into buffers that are there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from h5py import h5s, h5t
from numpy.typing import NDArray

from streams.spill import form
from streams.spill.problem import BadSpillError, refuse

HDF5_ERRORS = (
    OSError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    MemoryError,
)
"""What h5py raises when a file is damaged; which one depends on the place of the damage.

And what numpy raises if there is no memory for what the file holds.
"""


@contextmanager
def hdf5_errors(source: str, place: str) -> Iterator[None]:
    """Turn errors of h5py into BadSpillError about `place` in the file `source`."""
    try:
        yield
    except HDF5_ERRORS as wrong:
        raise unreadable(source, place, wrong) from None


def unreadable(source: str, place: str, wrong: Exception) -> BadSpillError:
    """Make the error about `place` in the file `source` of what went wrong there."""
    what = f"cannot be read ({' '.join(str(wrong).split())})"
    return BadSpillError(source, form.unreadable(place, what, "copy or write the file again"))


def member(parent: h5py.Group, name: str) -> Any:
    """Return a member; None if there is none or it is a link, which could lead to any file, or to a pipe."""
    return parent[name] if isinstance(parent.get(name, getlink=True), h5py.HardLink) else None


def open_group(parent: h5py.Group, name: str, source: str) -> h5py.Group:
    """Return the group `name`. Raises BadSpillError if it is not there or is something else."""
    place = f"{parent.name.rstrip('/')}/{name}"
    with hdf5_errors(source, place):
        group = member(parent, name)
    refuse(source, form.GROUP.problems(place, group))
    return group


def detector_names(group: h5py.Group, source: str) -> list[str]:
    """Return the names in `/primitives`, in the order of writing. Raises BadSpillError if one cannot be shown."""
    with hdf5_errors(source, group.name):
        names = [str(name) for name in group]
    refuse(source, form.NAMES.problems(names))
    return names


class Column:
    """A one-dimensional array of a known type, chunked or not, not compressed, all of it inside the file.

    Because of this a stated length cannot exceed the size of the file, and an array may be allocated for it.
    chunk: elements in a chunk, None if it has no chunks. Raises BadSpillError if the array is missing or of
    another kind.
    """

    def __init__(self, group: h5py.Group, name: str, dtype: Any, source: str) -> None:
        self.place = f"{group.name}/{name}"
        self._source = source
        self._dtype = np.dtype(dtype)
        with hdf5_errors(source, self.place):
            dataset = member(group, name)
            problems = [*form.ARRAY.problems(self.place, dataset, self._dtype)]
        refuse(source, problems)
        with hdf5_errors(source, self.place):
            # Made once: making them takes longer than reading a short run.
            self._id, self._space = dataset.id, dataset.id.get_space()
            self._type = h5t.py_create(self._dtype)
            self.length = int(dataset.shape[0])
            self.chunk: int | None = dataset.chunks[0] if dataset.chunks else None

    def room(self, length: int) -> NDArray[Any]:
        """Make an array for `length` of its elements. Raises BadSpillError if there is no memory for it."""
        try:
            return np.empty(length, self._dtype)
        except MemoryError as wrong:
            raise unreadable(self._source, self.place, wrong) from None

    def read(self, first: int, out: NDArray[Any]) -> None:
        """Fill `out` (contiguous, of this column's type) from element `first` on; it must fit the column."""
        if len(out) == 0:
            return
        with hdf5_errors(self._source, self.place):
            self._space.select_hyperslab((first,), (len(out),))
            self._id.read(h5s.create_simple((len(out),)), self._space, out, self._type)

    def value(self, index: int) -> int:
        """Return one element."""
        out = self.room(1)
        self.read(index, out)
        return int(out[0])


class Buffer:
    """An array that grows to the largest length asked of it; or a new one each time, if it is not used again."""

    def __init__(self, column: Column, again: bool = True) -> None:
        self._column = column
        self._array = column.room(0)
        self._again = again

    def of(self, length: int) -> NDArray[Any]:
        """Return its first `length` elements."""
        if not self._again:
            return self._column.room(length)
        if length > len(self._array):
            self._array = self._column.room(length + length // 4)
        return self._array[:length]
