"""The wrapper around numba: a kernel is never older than the sources that it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigger import jit


def names_of(folder: Path) -> str:
    """The name under which a kernel of `folder` is cached."""
    scope: dict[str, object] = {}
    exec(compile("def add(a, b):\n    return a + b\n", str(folder / "adder.py"), "exec"), scope)
    jit._digest.cache_clear()
    function = scope["add"]
    jit.kernel("int64(int64, int64)")(function)  # type: ignore[type-var]
    return str(function.__qualname__)  # type: ignore[attr-defined]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "adder.py").write_text("def add(a, b):\n    return a + b\n", encoding="ascii")
    (tmp_path / "constants.py").write_text("LIMIT = 3\n", encoding="ascii")
    return tmp_path


def test_an_unchanged_kernel_is_found_in_the_cache(folder: Path) -> None:
    assert names_of(folder) == names_of(folder)


def test_a_change_in_a_file_beside_a_kernel_makes_it_another_one(folder: Path) -> None:
    before = names_of(folder)
    (folder / "constants.py").write_text("LIMIT = 4\n", encoding="ascii")
    assert names_of(folder) != before


def test_a_kernel_works_where_no_cache_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'add': no locator available for file 'adder.py'")
        return lambda function: function

    monkeypatch.setattr("numba.njit", refuse)
    assert names_of(folder).startswith("add.")
