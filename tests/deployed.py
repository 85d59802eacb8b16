"""What deploy/ says, put to use by tests: the service's own commands and Prometheus's own configuration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from subprocess import Popen
from urllib.parse import urlsplit

from replay_cases import LIMIT_S, started

DEPLOY = Path(__file__).parents[1] / "deploy"
UNIT = DEPLOY / "systemd" / "ktrig-replay.service"

INSTALLED = "/opt/ktrig/bin/ktrig"
STATE = "/var/lib/ktrig"
"""Where the unit expects ktrig and its files."""

COMPILED_S = 300.0
"""Longest that the service may take to compile all kernels."""

SPEED = "0.02"
"""At which a spill of 20 ms takes a second."""


def unit() -> dict[str, list[str]]:
    """The settings of the unit, each with its values in order."""
    text = UNIT.read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def environment() -> dict[str, str]:
    """The variables that the unit sets."""
    return dict(assignment.split("=", 1) for assignment in unit()["Environment"])


def arguments(key: str, folder: Path, variables: Mapping[str, str]) -> list[str]:
    """What the unit's command `key` calls ktrig with, with its files in `folder`."""
    (line,) = unit()[key]
    ktrig, *words = shlex.split(line.replace(STATE, str(folder)))
    assert ktrig == INSTALLED
    return [re.sub(r"\$\{(\w+)\}", lambda name: variables[name[1]], word) for word in words]


def end_status(process: Popen[str]) -> int:
    """The exit code of a service that is told to stop."""
    process.send_signal(SIGTERM)
    process.communicate(timeout=LIMIT_S)
    return process.returncode


@contextmanager
def replay_service(spill: Path, folder: Path) -> Iterator[str]:
    """Run the service's commands with a spill of 20 ms; the address of its metrics. It ends as systemd ends it."""
    (folder / "warm-up.h5").symlink_to(spill)
    with started(*arguments("ExecStartPre", folder, {})) as process:
        _report, errors = process.communicate(timeout=COMPILED_S)
    assert process.returncode == 0, errors
    variables = environment() | {"SPILL": str(spill), "SPEED": SPEED, "METRICS": "127.0.0.1:0"}
    with started(*arguments("ExecStart", folder, variables)) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().removeprefix("metrics at ").strip()
        finally:
            status = end_status(process)
        assert status == int(unit()["SuccessExitStatus"][0])


def prometheus_files(url: str) -> tuple[str, dict[str, str]]:
    """Prometheus's configuration, for metrics at this address, and the other files that it reads."""
    folder = DEPLOY / "prometheus"
    text = (folder / "prometheus.yml").read_text(encoding="utf-8")
    usual = environment()["METRICS"]
    assert text.count(usual) == 1
    text = text.replace(usual, urlsplit(url).netloc)
    return text, {"alerts.yml": (folder / "alerts.yml").read_text(encoding="utf-8")}
