"""Deployment: Prometheus's and systemd's own tools check the configuration, the alerts and the unit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from deployed import DEPLOY, INSTALLED, STATE, UNIT, arguments, environment, unit
from replay_cases import KTRIG
from required import program

from streams.cli.replay import command
from streams.cli.signals import FINISH_S, SIGNALLED

ROOT = DEPLOY.parent

LIMIT_S = 60.0


def run(*call: str | Path, folder: Path) -> str:
    """What a program says that ends well."""
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_its_configuration_with_the_alerts() -> None:
    said = run(program("promtool"), "check", "config", "prometheus.yml", folder=DEPLOY / "prometheus")
    assert "1 rule files found" in said
    assert "3 rules found" in said


def test_alerts_fire_when_they_should_and_only_then() -> None:
    run(program("promtool"), "test", "rules", "alerts_test.yml", folder=DEPLOY / "prometheus")


def test_the_document_says_of_every_alert_what_to_do() -> None:
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    alerts = re.findall(r"alert: (\w+)", text)
    assert re.findall(r"runbook: docs/dashboards.md, (\w+)", text) == alerts
    headings = re.findall(
        r"^### (\w+)$", (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings == alerts


def test_systemd_takes_the_unit_without_a_remark(tmp_path: Path) -> None:
    verify = program("systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(INSTALLED, str(KTRIG)), encoding="utf-8")
    assert run(verify, "verify", "--man=no", str(copy), folder=tmp_path) == ""


@pytest.mark.parametrize("key", ["ExecStartPre", "ExecStart"])
def test_the_commands_of_the_unit_are_ones_that_ktrig_knows(key: str) -> None:
    name, *options = arguments(key, Path(STATE), environment())
    assert name == "replay"
    command.make_context(name, options)


def test_the_unit_lets_a_replay_end_in_good_order() -> None:
    settings = unit()
    assert settings["KillSignal"] == ["SIGTERM"]
    assert settings["SuccessExitStatus"] == [str(SIGNALLED + 15)]
    assert float(settings["TimeoutStopSec"][0]) > 2 * FINISH_S


def test_the_unit_scrapes_where_prometheus_does() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    assert f'targets: ["{environment()["METRICS"]}"]' in text
