"""The wrapper around numba: a kernel is never older than the sources that it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigger import jit

ADDER = "from trigger.constants import LIMIT\n\ndef add(a, b):\n    return a + b\n"


def names_of(folder: Path) -> str:
    """The name under which a kernel of `folder` is cached."""
    scope: dict[str, object] = {}
    exec(compile("def add(a, b):\n    return a + b\n", str(folder / "trigger" / "adder.py"), "exec"), scope)
    jit._digest.cache_clear()
    jit._imported.cache_clear()
    function = scope["add"]
    jit.kernel("int64(int64, int64)")(function)  # type: ignore[type-var]
    return str(function.__qualname__)  # type: ignore[attr-defined]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three files: a kernel, what it imports, and what that imports."""
    (tmp_path / "trigger").mkdir()
    for name, text in (("adder", ADDER), ("constants", "import trigger.clock\n"), ("clock", "LIMIT = 3\n")):
        (tmp_path / "trigger" / f"{name}.py").write_text(text, encoding="ascii")
    monkeypatch.setattr(jit, "_ROOT", tmp_path)
    return tmp_path


def test_an_unchanged_kernel_is_found_in_the_cache(folder: Path) -> None:
    assert names_of(folder) == names_of(folder)


@pytest.mark.parametrize("changed", ["constants", "clock"])
def test_a_change_in_a_file_that_a_kernel_imports_makes_it_another_one(folder: Path, changed: str) -> None:
    before = names_of(folder)
    (folder / "trigger" / f"{changed}.py").write_text("LIMIT = 4\n", encoding="ascii")
    assert names_of(folder) != before


def test_a_change_in_a_file_that_a_kernel_does_not_import_leaves_it(folder: Path) -> None:
    before = names_of(folder)
    (folder / "trigger" / "other.py").write_text("LIMIT = 4\n", encoding="ascii")
    assert names_of(folder) == before


def test_a_kernel_works_where_no_cache_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'add': no locator available for file 'adder.py'")
        return lambda function: function

    monkeypatch.setattr("numba.njit", refuse)
    assert names_of(folder).startswith("add.")
