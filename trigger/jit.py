"""The one wrapper around numba: the project's flags, and explicit signatures.

A kernel is compiled (or loaded from numba's cache) when its module is imported, so nothing compiles after
a stage has said that it is ready. No `fastmath`: decisions are made in these kernels. With
`NUMBA_DISABLE_JIT=1` the decorated function is plain Python.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, cast, get_origin, get_type_hints

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy", "fastmath": False}

_ROOT: Final = Path(__file__).parent.parent
_PACKAGES: Final = ("trigger", "streams")

Matrix = Annotated[NDArray[np.float64], "rows, columns"]
WholeMatrix = Annotated[NDArray[np.int64], "rows, columns"]
ByteMatrix = Annotated[NDArray[np.uint8], "rows, columns"]
SingleMatrix = Annotated[NDArray[np.float32], "rows, columns"]
"""Types of fields of a NamedTuple that are float64, int64, uint8, float32[rows, columns]; NDArray[np.float64] is
float64[n]."""

_FIELDS: Final = {
    float: types.float64,
    int: types.int64,
    NDArray[np.float64]: types.float64[::1],
    NDArray[np.int64]: types.int64[::1],
    NDArray[np.float32]: types.float32[::1],
    NDArray[np.int32]: types.int32[::1],
    NDArray[np.int16]: types.int16[::1],
    NDArray[np.uint16]: types.uint16[::1],
    NDArray[np.uint32]: types.uint32[::1],
    NDArray[np.uint8]: types.uint8[::1],
    NDArray[np.uint64]: types.uint64[::1],
    Matrix: types.float64[:, ::1],
    WholeMatrix: types.int64[:, ::1],
    ByteMatrix: types.uint8[:, ::1],
    SingleMatrix: types.float32[:, ::1],
}


@cache
def _imported(source: Path) -> tuple[Path, ...]:
    """Files of the project that a file imports."""
    return tuple(path for name in _names(ast.parse(source.read_bytes())) if (path := _file(name)) is not None)


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports: dotted names, of modules or of what is in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(name: str) -> Path | None:
    path = _ROOT.joinpath(*name.split(".")).with_suffix(".py")
    return path if name.split(".")[0] in _PACKAGES and path.is_file() else None


@cache
def _digest(source: Path) -> str:
    """Hash the sources that a kernel in `source` may be made of: the file, and all that it imports, and so on."""
    found, new = {source}, {source}
    while new:
        new = {path for one in new for path in _imported(one)} - found
        found |= new
    content = hashlib.sha256()
    for path in sorted(found):
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def kernel(*signatures: Any, allocates: bool = False) -> Callable[[F], F]:
    """Compile a function for the argument types of each of `signatures`: text in numba's notation, or types.

    Scratch and output arrays are passed in: a kernel that does not allocate need not count references to arrays, and
    that is a fifth of the time of one that takes many small ones apart. One that allocates once a call says so.
    """
    flags = _FLAGS | {"_nrt": allocates}

    def decorate(function: F) -> F:
        # numba renews its cache when the file of the kernel changes, and looks at no other; but constants and
        # inlined functions of other files are part of the machine code. The name is part of the cache's key.
        function.__qualname__ += f".{_digest(Path(function.__code__.co_filename))}"
        try:
            return cast(F, numba.njit([*signatures], cache=True, **flags)(function))
        except RuntimeError as error:
            # numba found no writable place for its cache (read-only installation and home).
            if "cannot cache" not in str(error):
                raise
            return cast(F, numba.njit([*signatures], **flags)(function))

    return decorate


def inline(function: F) -> F:
    """Make a function part of the kernels that call it; its types come from them.

    Inlined before LLVM sees it: a call that passes ten arrays costs 50 ns, which matters once a frame.
    """
    return cast(F, numba.njit(inline="always", **_FLAGS)(function))


def some(kind: Any, n: int) -> Any:
    """Return numba's type of a tuple of `n` numbers of one type."""
    return types.UniTuple(kind, n)  # type: ignore[no-untyped-call]


def _field(hint: Any) -> Any:
    if hasattr(hint, "_fields"):
        return named(hint)
    if get_origin(hint) is Annotated and isinstance(hint.__metadata__[0], int):
        return types.UniTuple(types.float64, hint.__metadata__[0])  # type: ignore[no-untyped-call]
    return _FIELDS[hint]


def named(record: type[Any]) -> Any:
    """Return numba's type of a NamedTuple.

    Its fields are numbers, arrays (NDArray, Matrix), `Annotated[tuple[float, ...], n]` for n numbers, or such tuples.
    A kernel pays for each array in a tuple that it takes apart, not for numbers.
    """
    fields = [_field(hint) for hint in get_type_hints(record, include_extras=True).values()]
    return types.BaseTuple.from_types(fields, record)  # type: ignore[no-untyped-call]
