"""The one wrapper around numba: the project's flags, and explicit signatures.

A kernel is compiled (or loaded from numba's cache) when its module is imported, so nothing compiles after
a stage has said that it is ready. No `fastmath`: decisions are made in these kernels. With
`NUMBA_DISABLE_JIT=1` the decorated function is plain Python.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy", "fastmath": False}


@cache
def _digest(folder: Path) -> str:
    """Hash the sources that a kernel in `folder` may be made of: those beside it, and those beside this file."""
    content = hashlib.sha256()
    for source in sorted({*folder.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        content.update(source.read_bytes())
    return content.hexdigest()[:16]


def kernel(*signatures: str) -> Callable[[F], F]:
    """Compile a function for the argument types of each of `signatures`, in numba's notation.

    Inside it do not allocate in loops over events: scratch and output arrays are passed in.
    """

    def decorate(function: F) -> F:
        # numba renews its cache when the file of the kernel changes, and looks at no other; but constants and
        # inlined functions of other files are part of the machine code. The name is part of the cache's key.
        folder = Path(function.__code__.co_filename).parent
        function.__qualname__ += f".{_digest(folder)}"
        try:
            return cast(F, numba.njit([*signatures], cache=True, **_FLAGS)(function))
        except RuntimeError as error:
            # numba found no writable place for its cache (read-only installation and home).
            if "cannot cache" not in str(error):
                raise
            return cast(F, numba.njit([*signatures], **_FLAGS)(function))

    return decorate


def inline(function: F) -> F:
    """Make a function part of the kernels that call it; its types come from them.

    Inlined before LLVM sees it: a call that passes ten arrays costs 50 ns, which matters once a frame.
    """
    return cast(F, numba.njit(inline="always", **_FLAGS)(function))
