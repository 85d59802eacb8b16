"""One array of a detector in a spill file, read into buffers that are there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from h5py import h5s, h5t
from numpy.typing import NDArray

from streams.spill.layout import SpillError

HDF5_ERRORS = (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError)
"""What h5py raises when a file is damaged; which one depends on the place of the damage."""


@contextmanager
def hdf5_errors(source: str, place: str) -> Iterator[None]:
    """Turn errors of h5py into SpillError about `place` in the file `source`."""
    try:
        yield
    except HDF5_ERRORS as wrong:
        reason = " ".join(str(wrong).split())
        raise SpillError(
            f"{source}: {place} cannot be read ({reason}); copy or write the file again"
        ) from None


def open_group(parent: h5py.Group, name: str, source: str) -> h5py.Group:
    """Return the group `name`. Raises SpillError if it is not there or is something else."""
    place = f"{parent.name.rstrip('/')}/{name}"
    with hdf5_errors(source, place):
        group = parent.get(name)
    if not isinstance(group, h5py.Group):
        raise SpillError(f"{source}: there is no group {place}; write the file again")
    return group


def detector_names(group: h5py.Group, source: str) -> list[str]:
    """Return the names in `/primitives`, in the order of writing. Raises SpillError if one cannot be shown."""
    with hdf5_errors(source, group.name):
        names = [str(name) for name in group]
    for name in names:
        if not name.isprintable():
            raise SpillError(f"{source}: {group.name} has the name {name!r}; rename that detector")
    return names


class Column:
    """A one-dimensional array of a known type, chunked or not, not compressed, all of it inside the file.

    Because of this a stated length cannot exceed the size of the file, and an array may be allocated for it.
    Raises SpillError if the array is missing or of another kind.
    """

    def __init__(self, group: h5py.Group, name: str, dtype: type[Any], source: str) -> None:
        self.place = f"{group.name}/{name}"
        self._source = source
        self._dtype = np.dtype(dtype)
        with hdf5_errors(source, self.place):
            dataset = group.get(name)
            problem = self._problem(dataset)
            if problem is None:
                # Made once: making them takes longer than reading a short run.
                self._id, self._space = dataset.id, dataset.id.get_space()
                self._type = h5t.py_create(self._dtype)
                self.length = int(dataset.shape[0])
        if problem is not None:
            raise SpillError(f"{source}: {self.place} {problem}; write the file again")

    def _problem(self, dataset: Any) -> str | None:
        if not isinstance(dataset, h5py.Dataset):
            return "is missing"
        if dataset.ndim != 1 or dataset.dtype != self._dtype:
            return f"is {dataset.dtype}{list(dataset.shape)}, not {self._dtype}[n]"
        properties = dataset.id.get_create_plist()
        if properties.get_nfilters() or properties.get_layout() == h5py.h5d.VIRTUAL:
            return "is compressed or virtual; it must be plain"
        if properties.get_external_count() or dataset.id.get_storage_size() < dataset.nbytes:
            return f"says that it has {dataset.shape[0]} elements, but the file does not hold them"
        return None

    def read(self, first: int, out: NDArray[Any]) -> None:
        """Fill `out` (contiguous, of this column's type) from element `first` on; it must fit the column."""
        if len(out) == 0:
            return
        with hdf5_errors(self._source, self.place):
            self._space.select_hyperslab((first,), (len(out),))
            self._id.read(h5s.create_simple((len(out),)), self._space, out, self._type)

    def value(self, index: int) -> int:
        """Return one element."""
        out = np.empty(1, self._dtype)
        self.read(index, out)
        return int(out[0])


class Buffer:
    """An array that grows to the largest length asked of it; or a new one each time, if it is not used again."""

    def __init__(self, dtype: type[Any], again: bool = True) -> None:
        self._array = np.empty(0, dtype)
        self._again = again

    def of(self, length: int) -> NDArray[Any]:
        """Return its first `length` elements."""
        if not self._again:
            return np.empty(length, self._array.dtype)
        if length > len(self._array):
            self._array = np.empty(length + length // 4, self._array.dtype)
        return self._array[:length]
