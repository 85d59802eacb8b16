"""Spills made with `ktrig simulate`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def simulate(path: Path, *arguments: str) -> Path:
    """Make a spill, in a process of its own: with compiled kernels, whatever these tests run with."""
    call = [sys.executable, "-c", "from streams.cli.main import main; main()", "simulate", "-o", str(path)]
    subprocess.run([*call, *arguments], check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "0"})
    return path
