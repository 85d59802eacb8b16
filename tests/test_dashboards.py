"""The dashboards: their files are what the code builds, and a real Prometheus answers all of their queries."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from deployed import prometheus_files, replay_service
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_server import Prometheus, prometheus
from replay_cases import wait_until
from required import program

from dashboards.__main__ import DASHBOARDS, FOLDER
from dashboards.peaks import CHANNELS
from dashboards.transformations import HIDDEN
from streams.metrics_row import MetricRow
from streams.metrics_table import TABLE
from trigger.searches.catalogue import SEARCHES

Board = dict[str, Any]

COLUMNS: Final = 24

RATE_INTERVAL: Final = "4s"
"""What Grafana puts in for $__rate_interval if Prometheus scrapes every second."""

SHOWN_S: Final = 10.0
"""Length of the piece of a graph against time that is looked at."""

ANSWER_S: Final = 120.0
"""Longest that all panels together may take to show something, from the start of the replay."""

boards = pytest.mark.parametrize("name", DASHBOARDS)


class Target(NamedTuple):
    """A query of a panel."""

    panel: str
    kind: str
    expr: str
    legend: str
    shows_nan: bool


def board(name: str) -> Board:
    """The dashboard in the file NAME.json."""
    found: Board = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panels(name: str) -> list[Board]:
    """Its panels without the titles of rows."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def shows_nan(panel: Board) -> bool:
    """Whether a panel has a word for NaN."""
    mappings = panel["fieldConfig"]["defaults"].get("mappings", [])
    return any("nan" in mapping["options"].get("match", "") for mapping in mappings)


def targets(name: str) -> list[Target]:
    """Its queries."""
    return [
        Target(
            panel["title"], panel["type"], target["expr"], target.get("legendFormat", ""), shows_nan(panel)
        )
        for panel in panels(name)
        for target in panel["targets"]
    ]


def samples(row: MetricRow) -> dict[str, set[str]]:
    """The names of the samples of a metric, each with its labels."""
    suffixes = {InfoMetricFamily: ["_info"], CounterMetricFamily: ["_total"]}
    labels = {*row.labels}
    if row.kind is HistogramMetricFamily:
        return {f"{row.name}_bucket": labels | {"le"}, f"{row.name}_count": labels, f"{row.name}_sum": labels}
    return {row.name + suffix: labels for suffix in suffixes.get(row.kind, [""])}


def known_labels() -> dict[str, set[str]]:
    """The labels of all samples that there are, by name."""
    return {name: labels for row in TABLE for name, labels in samples(row).items()}


@boards
def test_the_file_is_what_the_code_builds_byte_for_byte(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_bytes() == DASHBOARDS[name]().encode(), "run: python -m dashboards"


@boards
def test_every_query_asks_for_metrics_that_there_are_by_labels_that_they_have(name: str) -> None:
    known = known_labels()
    for target in targets(name):
        metrics = re.findall(r"ktrig_\w+", target.expr)
        assert metrics
        assert {*metrics} <= known.keys(), target
        labels = {label for metric in metrics for label in known[metric]}
        grouped = [
            word for found in re.findall(r"(?:by|on) \(([^)]*)\)", target.expr) for word in found.split(", ")
        ]
        assert {*grouped, *re.findall(r'(\w+)=~?"', target.expr)} <= labels, target
        assert {*re.findall(r"{{(\w+)}}", target.legend)} <= ({*grouped} or labels), target


@boards
def test_panels_fill_whole_lines_of_the_grid_and_none_lies_on_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board(name)["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
    assert taken == {(x, y) for x in range(COLUMNS) for y in range(len(taken) // COLUMNS)}


@boards
def test_every_panel_says_what_it_shows_and_asks_the_source_that_is_chosen(name: str) -> None:
    ids = [panel["id"] for panel in board(name)["panels"]]
    assert len({*ids}) == len(ids)
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith(".")
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len({*refs}) == len(refs)


@boards
def test_what_a_transformation_renames_is_kept_by_the_one_before(name: str) -> None:
    for panel in panels(name):
        kept: set[str] = set()
        for step in panel.get("transformations", []):
            if step["id"] == "filterFieldsByName":
                kept = {*step["options"]["include"]["names"]}
            elif step["id"] == "organize" and kept:
                assert step["options"]["renameByName"].keys() <= kept, panel["title"]
                assert HIDDEN not in step["options"]["renameByName"].values()


def test_the_channels_of_the_normalisation_are_those_of_the_catalogue() -> None:
    names = [search.name for search in SEARCHES if search.normalisation == search.name]
    assert f'search=~"{"|".join(names)}"' == CHANNELS


def expanded(server: Prometheus) -> Iterator[tuple[str, Target]]:
    """Yield the queries of all dashboards, once for each value of the variable in them."""
    for name in DASHBOARDS:
        values: dict[str, list[str]] = {}
        for variable in board(name)["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
                values[variable["name"]] = server.label_values(label, metric)
        for target in targets(name):
            expr = target.expr.replace("$__rate_interval", RATE_INTERVAL)
            used = [variable for variable in values if f"${variable}" in expr]
            for value in (values[used[0]] or [""]) if used else [""]:
                yield name, target._replace(expr=expr.replace(f"${used[0]}", value) if used else expr)


def has_data(server: Prometheus, target: Target) -> bool:
    """Whether a query has values; NaN is none where the panel has no word for it."""
    found = server.over(target.expr, SHOWN_S) if target.kind == "timeseries" else server.latest(target.expr)
    return bool(found) and (target.shows_nan or not all(map(math.isnan, found)))


def empty(server: Prometheus) -> list[tuple[str, Target]]:
    """The queries that have no data, by the dashboard."""
    return [(name, target) for name, target in expanded(server) if not has_data(server, target)]


@pytest.mark.needs_jit
def test_every_query_of_both_dashboards_returns_data_of_a_replay_that_prometheus_scrapes(
    full_spill: Path, tmp_path: Path
) -> None:
    program("prometheus")
    missing: list[tuple[str, Target]] = []

    def all_there() -> bool:
        missing[:] = empty(server)
        return not missing

    with (
        replay_service(full_spill, tmp_path) as url,
        prometheus(tmp_path, *prometheus_files(url)) as server,
    ):
        with suppress(AssertionError):
            wait_until(all_there, ANSWER_S)
        assert missing == []
        assert [group["name"] for group in server.ask("rules")["groups"]] == ["ktrig"]
        firing = {alert["labels"]["alertname"] for alert in server.ask("alerts")["alerts"]}
        assert firing <= {"KtrigPeak"}
