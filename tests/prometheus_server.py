"""A Prometheus of our own for tests: the real program, on a free port of the loopback interface."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from replay_cases import LIMIT_S, wait_until
from required import program


class Prometheus:
    """The HTTP interface of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """What it answers: the `data` of the JSON. A wrong query fails the test."""
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=LIMIT_S) as answer:
                return json.load(answer)["data"]
        except HTTPError as wrong:
            pytest.fail(f"{path} {parameters}: {wrong.read().decode()}")

    def latest(self, expr: str) -> list[float]:
        """The latest values of a query, one a series."""
        return [float(series["value"][1]) for series in self.ask("query", query=expr)["result"]]

    def over(self, expr: str, span_s: float) -> list[float]:
        """All values of a query over the last `span_s` seconds, one a second and series."""
        now = time.time()
        times = {"start": f"{now - span_s:.3f}", "end": f"{now:.3f}", "step": "1"}
        found = self.ask("query_range", query=expr, **times)["result"]
        return [float(value) for series in found for _time, value in series["values"]]

    def label_values(self, label: str, metric: str) -> list[str]:
        """What Grafana's `label_values(metric, label)` gives."""
        found: list[str] = self.ask(f"label/{label}/values", **{"match[]": metric})
        return found


@contextmanager
def prometheus(folder: Path, config: str, others: Mapping[str, str]) -> Iterator[Prometheus]:
    """Run Prometheus with this configuration; `others` are files beside it, by name. It ends with the block."""
    path = program("prometheus")
    for name, text in {"prometheus.yml": config, **others}.items():
        (folder / name).write_text(text, encoding="utf-8")
    log = folder / "prometheus.log"
    arguments = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'storage'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with (
        log.open("w", encoding="utf-8") as into,
        subprocess.Popen([path, *arguments], stderr=into) as process,
    ):
        try:
            yield Prometheus(_ready(process, log))
        finally:
            process.terminate()
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until it takes requests; the address at which it does, which only its log says."""

    def address() -> str | None:
        text = log.read_text(encoding="utf-8")
        assert process.poll() is None, text
        found = re.search(r'"Listening on".*? address=(\S+)', text)
        return found[1] if found and "ready to receive web requests" in text else None

    return f"http://{wait_until(address)}"
