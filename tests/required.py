"""What tests need and a machine may lack: they are left out there, with the reason, or fail where all is required."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final, NoReturn

import pytest

REQUIRED: Final = "KTRIG_REQUIRE_ALL"
"""Set where no test may be left out."""

_RECORDED: Final = Path(__file__).parents[2] / "shared" / "data" / "Run8764_burst500_LKr.bin"


def program(name: str) -> Path:
    """The path of a program that `make test-deps` installs."""
    found = shutil.which(name)
    return (
        Path(found) if found is not None else _lacking(f"{name} is not installed; make test-deps installs it")
    )


def recorded_primitives() -> Path:
    """NA62's own file of one detector. It is not ours to copy into the project, so it lies beside it."""
    return _RECORDED if _RECORDED.is_file() else _lacking(f"the recorded file {_RECORDED.name} is not there")


def _lacking(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED) or os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
