"""Writing a spill that fails or is killed: nothing half-written has its name, and the next write works."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spill_cases import nobody, write

from streams.spill.layout import SpillError
from streams.spill.validate import validate

KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from spill_cases import write
from streams.spill.sink import Sink
from streams.spill.writer import SpillWriter

def wait(*_):
    print("writing", flush=True)
    sys.stdin.read()

setattr({"write": Sink, "finish": SpillWriter}[sys.argv[3]], sys.argv[4], wait)
write(Path(sys.argv[2]))
"""
"""Stops where the method argv[4] would be called, and waits there to be killed."""


def kill_a_writer(path: Path, stage: tuple[str, str]) -> None:
    """Kill a process that writes the file `path`."""
    tests = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tests, str(path), *stage],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.kill()
    assert writer.returncode == -signal.SIGKILL


@pytest.mark.parametrize("stage", [("write", "truncate"), ("write", "close"), ("finish", "_finish")])
def test_a_killed_writer_leaves_only_a_partial_file_and_the_next_one_replaces_that(
    tmp_path: Path, stage: tuple[str, str]
) -> None:
    path = tmp_path / "spill.h5"
    kill_a_writer(path, stage)
    left = tmp_path / "spill.h5.partial"
    assert list(tmp_path.iterdir()) == [left]
    assert next(validate(left)).check == "partial"
    write(path)
    assert list(tmp_path.iterdir()) == [path]
    assert list(validate(path)) == []


def test_a_killed_writer_leaves_the_spill_that_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "spill.h5", ["LKr"])
    before = path.read_bytes()
    kill_a_writer(path, ("finish", "_finish"))
    assert path.read_bytes() == before


def failing_at(nth: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """From its `nth` call on there is no space."""
    calls = iter(range(nth))

    def fail(*arguments: Any) -> Any:
        if next(calls, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*arguments)

    return fail


@pytest.mark.parametrize(
    ("call", "first"), [("pwrite", 0), ("ftruncate", 1)]
)  # To be emptied takes no space.
def test_a_disk_that_is_full_at_any_moment_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, first: int
) -> None:
    path = write(tmp_path / "spill.h5", ["LKr"])
    before = path.read_bytes()
    whole = getattr(os, call)
    for nth in range(first, 1000):
        monkeypatch.setattr(os, call, failing_at(nth, whole))
        try:
            write(path)
        except SpillError as wrong:
            told = str(wrong)
        else:
            break
        assert (
            told == f"{path}: cannot be written: No space left on device; free space or choose another place"
        )
        assert list(tmp_path.iterdir()) == [path]
        assert path.read_bytes() == before
    assert nth > first
    assert list(validate(path)) == []


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda partial: partial.mkdir(), "Is a directory"),
        (
            lambda partial: partial.symlink_to(partial.with_name("precious")),
            "Too many levels of symbolic links",
        ),
        (os.mkfifo, "Invalid argument"),
    ],
)
def test_what_lies_in_the_way_of_the_partial_file_is_left_alone(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    precious, partial = tmp_path / "precious", tmp_path / "spill.h5.partial"
    precious.write_text("keep")
    make(partial)
    with pytest.raises(SpillError, match=f"spill.h5: cannot be written: {what}; "):
        write(tmp_path / "spill.h5")
    assert precious.read_text() == "keep"
    assert sorted(tmp_path.iterdir()) == [precious, partial]


def test_a_folder_that_may_not_be_written_or_looked_into_is_named(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0)
    with nobody():
        for path in (Path("/usr/spill.h5"), hidden / "spill.h5"):
            with pytest.raises(SpillError, match=f"{path}: cannot be written: Permission denied; "):
                write(path)


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpillError, match="cannot be written: File name too long"):
        write(tmp_path / ("x" * 300))
