"""Metrics: what a scrape sees, by name, and that it is what the report says."""

from __future__ import annotations

import math
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from queue import Queue
from urllib.error import URLError

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from replay_cases import (
    LIMIT_S,
    Played,
    play,
    random_streams,
    request,
    scrape,
    wait_until,
    watched,
    write,
)

from streams.counts import L1Counts
from streams.exchange import SpillStart
from streams.metrics import MetricsError, MetricsServer, parse_address
from streams.metrics_document import metrics_document
from streams.metrics_monitors import MONITOR_TABLE
from streams.metrics_row import MetricRow
from streams.metrics_table import TABLE
from streams.monitors.rates import advance, fresh
from streams.stages.inline import replay_inline
from streams.stages.monitor import MonitorStage
from streams.stages.request import Watcher
from streams.timing import Lateness
from trigger.l1.fates import FATES, LINE_FATES, NOTES
from trigger.menu import N_MASKS

Samples = dict[str, dict[str, float]]

TYPES = {
    InfoMetricFamily: "gauge",
    GaugeMetricFamily: "gauge",
    CounterMetricFamily: "counter",
    HistogramMetricFamily: "histogram",
}
"""How the text format calls each kind; it has no word for info."""


def page(collector: Collector) -> str:
    """The page that a scrape of the collector gives."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def families(text: str) -> dict[str, Metric]:
    """The families of a page by name, as Prometheus reads it."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(text: str) -> Samples:
    """Values by sample name, then by the value of their only label."""
    found: Samples = {}
    for family in families(text).values():
        for sample in family.samples:
            found.setdefault(sample.name, {})[label_of(sample)] = sample.value
    return found


def label_of(sample: Sample) -> str:
    """The value of the only label; of several, in the order of their names."""
    return " ".join(value for _name, value in sorted(sample.labels.items()))


def collector_of(monitor: MonitorStage) -> Collector:
    return monitor._collector


def test_a_slow_replay_shows_every_metric_over_http(spill: Path) -> None:
    urls: Queue[str] = Queue()
    wanted = request(spill, speed=0.05, block_frames=100, metrics="127.0.0.1:0")
    replay = threading.Thread(target=replay_inline, args=(wanted, Watcher(metrics_url=urls.put)))
    replay.start()
    try:
        url = urls.get(timeout=LIMIT_S)
        wait_until(lambda: "position_seconds 0.0\n" not in scrape(url))
        text = scrape(url)
    finally:
        replay.join(LIMIT_S)
    seen = families(text)
    for row in TABLE:
        name = f"{row.name}_info" if row.kind is InfoMetricFamily else row.name
        assert seen[name].type == TYPES[row.kind], row.name
        assert seen[name].documentation == row.help
        of_links = row.name.startswith("ktrig_link")
        of_l1 = row.name.startswith("ktrig_l1")
        of_monitors = row in MONITOR_TABLE
        assert seen[name].samples or of_links or of_l1 or of_monitors or row.name == "ktrig_l0_gained", (
            row.name
        )
    assert 0 < samples(text)["ktrig_spill_position_seconds"][""] <= 0.02
    with pytest.raises(URLError):
        scrape(url)


def test_every_metric_of_a_scrape_is_in_the_table(played: Played) -> None:
    seen = families(page(collector_of(played.monitor())))
    assert {name.removesuffix("_info") for name in seen} == {row.name for row in TABLE}
    assert len(TABLE) == len({row.name for row in TABLE})


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_names_follow_the_rules_of_prometheus(row: MetricRow) -> None:
    assert re.fullmatch(r"ktrig(_[a-z0-9]+)+", row.name)
    # Counters get their _total from the library; units are base units and come last.
    assert not re.search(r"_(total|info|count|sum|bucket)$", row.name)
    assert not re.search(r"_(ms|us|ns|khz|mhz|hz|milliseconds|mib|kb)(_|$)", row.name)
    assert row.help.endswith(".")
    assert len(row.labels) <= 2 or row.kind is InfoMetricFamily


def test_at_the_end_the_counters_are_those_of_the_report(played: Played) -> None:
    with closing(played.monitor()) as monitor:
        for output in played.outputs:
            monitor.update(output)
        report = monitor.finish(played.end)
        seen = samples(page(collector_of(monitor)))
    lines = {line["name"]: line for line in report["lines"]}
    assert seen["ktrig_primitives_total"] == report["primitives"]
    assert seen["ktrig_l0_triggers_total"] == {"": report["l0_triggers"]}
    for name, key in (
        ("before_downscaling", "before"),
        ("after_downscaling", "after"),
        ("dispatched", "dispatched"),
    ):
        assert seen[f"ktrig_l0_{name}_total"] == {name: line[key] for name, line in lines.items()}
    assert seen["ktrig_line_active"] == dict.fromkeys(lines, 1.0)
    assert seen["ktrig_blocks_total"] == report["blocks"]
    assert seen["ktrig_stage_busy_seconds_total"] == report["stage_busy_s"]
    assert seen["ktrig_spill_position_seconds"][""] == pytest.approx(report["spill_s"])
    lost = seen["ktrig_l0_lost_total"]
    for reason in ("same_tick", "choke", "dead_time"):
        assert [lost[f"{name} {reason}"] for name in lines] == [
            line[f"lost_{reason}"] for line in lines.values()
        ]
    entries = seen["ktrig_l0_entries_total"]
    assert sum(entries.values()) + report["l0_triggers"] == report["ledger"]["l0"]["in"]
    assert seen["ktrig_spill_info"] == {"500 na62 spill.h5 na62-2018 8764": 1.0}
    assert set(seen["ktrig_ledger_balance"]) == set(report["ledger"])
    assert set(seen["ktrig_ledger_balance"].values()) == {0.0}


def test_primitives_are_counted_where_they_arrive(played: Played) -> None:
    with closing(played.monitor()) as monitor:
        stages = deepcopy(played.outputs[0].stages)
        stages["source"].primitives["RICH"] += 1
        monitor.update(replace(played.outputs[0], stages=stages))
        seen = samples(page(collector_of(monitor)))
    assert seen["ktrig_primitives_total"] == stages["l0"].primitives
    assert seen["ktrig_ledger_balance"]["l0"] == 1.0


def test_counters_go_on_over_spills_and_start_again_with_a_spill_that_is_begun_again(played: Played) -> None:
    with closing(played.monitor()) as monitor:

        def primitives() -> float:
            return samples(page(collector_of(monitor)))["ktrig_primitives_total"]["RICH"]

        for output in played.outputs:
            monitor.update(output)
        monitor.finish(played.end)
        one = primitives()
        assert one == played.start.primitives["RICH"]
        monitor.begin(played.start)
        assert primitives() == one
        monitor.update(played.outputs[0])
        assert primitives() > one
        monitor.begin(played.start)
        assert primitives() == one
        for output in played.outputs:
            monitor.update(output)
        assert primitives() == 2 * one


def test_the_lateness_of_blocks_is_a_histogram(played: Played) -> None:
    late = Lateness()
    for late_s in (0.0, 2e-5, 0.002, 0.002, 500.0):
        late.add(late_s)
    with closing(played.monitor()) as monitor:
        monitor.update(replace(played.outputs[0], late=late))
        family = families(page(collector_of(monitor)))["ktrig_block_lateness_seconds"]
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert len(buckets) <= 40
    found = [buckets[edge] for edge in ("1e-06", "3.162e-05", "0.001", "0.003162", "100", "+Inf")]
    assert found == [1, 2, 2, 4, 4, 5]
    (total,) = (s.value for s in family.samples if s.name.endswith("_sum"))
    assert total == pytest.approx(500.00402)


def test_counters_never_fall(played: Played) -> None:
    before: Samples = {}
    with closing(played.monitor()) as monitor:
        for output in played.outputs:
            monitor.update(output)
            now = {k: v for k, v in samples(page(collector_of(monitor))).items() if k.endswith("_total")}
            for name, values in before.items():
                assert all(now[name][label] >= value for label, value in values.items()), name
            before = now
    assert before


def test_a_scrape_sees_one_state_even_if_the_next_comes_meanwhile(played: Played) -> None:
    """The collector takes its state once: a block that arrives in the middle of a scrape is not in it."""
    with closing(played.monitor()) as monitor:
        for output in played.outputs[:2]:
            monitor.update(output)
        whole = samples(page(collector_of(monitor)))
        torn = collector_of(monitor).collect()
        families_seen = [next(iter(torn))]
        monitor.update(played.outputs[2])
        families_seen.extend(torn)
    for family in families_seen:
        for sample in family.samples:
            assert whole[sample.name][label_of(sample)] == sample.value


def test_the_intensity_is_that_of_the_last_block(played: Played) -> None:
    now = advance(fresh(played.start), played.outputs[0], played.request.experiment)
    with closing(played.monitor()) as monitor:
        monitor.update(played.outputs[0])
        seen = samples(page(collector_of(monitor)))["ktrig_beam_intensity_hertz"][""]
    assert seen == pytest.approx(now.intensity_hz)
    assert seen == pytest.approx(50e6, rel=0.4)


def test_without_its_detector_the_intensity_is_not_a_number_and_lines_are_not_active(tmp_path: Path) -> None:
    wanted = request(write(tmp_path / "lkr.h5", random_streams(["LKr"], 100, 20), 100))
    played = play(wanted)
    with closing(played.monitor()) as monitor:
        monitor.update(played.outputs[0])
        seen = samples(page(collector_of(monitor)))
    assert math.isnan(seen["ktrig_beam_intensity_hertz"][""])
    assert set(seen["ktrig_line_active"].values()) == {0.0}
    assert seen["ktrig_primitives_total"] == {"LKr": 20.0}


class Nothing(Collector):
    """A collector of nothing."""

    def collect(self) -> Iterable[Metric]:
        return []


def test_a_closed_server_frees_its_port_at_once() -> None:
    first = MetricsServer("127.0.0.1:0", Nothing())
    scrape(first.url)
    first.close()
    with closing(
        MetricsServer(first.url.removeprefix("http://").removesuffix("/metrics"), Nothing())
    ) as second:
        assert second.url == first.url
        assert scrape(second.url) == ""


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MetricsError) as caught:
            MetricsServer(address, Nothing())
    assert str(caught.value) == f"--metrics {address}: Address already in use; choose another HOST:PORT"


@pytest.mark.parametrize("address", ["nohost.invalid:1", "a..b:1", "x" * 70 + ":1", "[::1]x:1"])
def test_a_host_that_is_none_is_one_line(address: str) -> None:
    with pytest.raises(MetricsError, match=f"^--metrics {re.escape(address)}: .*; choose another HOST:PORT$"):
        MetricsServer(address, Nothing())


@pytest.mark.parametrize(
    "address",
    ["", "9100", ":9100", "host:", "host:x", "host:-1", "host:65536", "host:" + "9" * 5000, "host:1.0"],
)
def test_an_address_that_is_none_is_one_line(address: str) -> None:
    with pytest.raises(MetricsError, match=r"give HOST:PORT, as 127.0.0.1:9100; port 0 takes a free one"):
        parse_address(address)


def test_a_host_and_its_port_are_told_apart() -> None:
    assert parse_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_address("::1:65535") == ("::1", 65535)


def test_the_document_of_the_metrics_is_the_one_that_the_table_makes() -> None:
    document = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert document == metrics_document(), "run: python -m streams.metrics_document > docs/metrics.md"


OF_A_LONG_SPILL = ("ktrig_harmonic_amplitude", "ktrig_harmonic_noise", "ktrig_spill_spike")
"""What 20 ms do not show."""

SERIES = 3000
"""Budget of one replay: lines in a scrape, buckets of histograms included."""


@pytest.mark.needs_jit
def test_behind_a_spill_there_is_every_metric_of_the_monitors_within_the_budget(full_spill: Path) -> None:
    with watched(request(full_spill)) as (monitor, report):
        text = page(collector_of(monitor))
    seen = families(text)
    for row in MONITOR_TABLE:
        if row.name not in (*OF_A_LONG_SPILL, "ktrig_search_inactive"):
            assert seen[row.name].samples, row.name
    values = samples(text)
    assert values["ktrig_spills_total"][""] == 1
    for search in report["monitors"]["searches"]:
        assert values["ktrig_search_selected_total"][search["name"]] == search["selected"]
        assert values["ktrig_search_active"][search["name"]] == 1
    assert max(map(len, values.values())) < SERIES / 2
    assert sum(map(len, values.values())) < SERIES


@pytest.mark.needs_jit
def test_no_spectrum_has_more_than_40_buckets_and_no_curve_more_than_100_points(full_spill: Path) -> None:
    with watched(request(full_spill)) as (monitor, _report):
        seen = families(page(collector_of(monitor)))
    buckets = Counter(
        sample.labels["search"]
        for sample in seen["ktrig_search_spectrum"].samples
        if sample.name.endswith("_bucket")
    )
    assert max(buckets.values()) <= 40
    masses = Counter(sample.labels["search"] for sample in seen["ktrig_search_limit_by_mass"].samples)
    assert max(masses.values()) <= 40
    points = Counter(s.labels["estimator"] for s in seen["ktrig_intensity_in_spill_hertz"].samples)
    assert max(points.values()) <= 100
    assert set(points) == {"CHOD", "GTK"}


def test_the_metrics_of_l1_are_its_counts(full_spill: Path) -> None:
    asked = request(full_spill, no_searches=True)
    monitor = MonitorStage(asked)
    report = replay_inline(asked, Watcher())
    with closing(monitor):
        start = SpillStart("na62", 0, 0, 0, 1, {"RICH": 0})
        monitor.begin(start)
        lines = np.array(
            [[line["l1"][name] for name in LINE_FATES] for line in report["lines"] if line["l1"]]
        )
        counts = L1Counts(
            report["l1"]["events"],
            np.array([report["l1"][name] for name in FATES]),
            np.pad(lines, ((0, N_MASKS - len(lines)), (0, 0))),
            np.array([n for line in report["lines"] if line["l1"] for n in line["l1"]["failed"].values()]),
            np.array([report["l1"][name] for name in NOTES]),
        )
        url = monitor.serve("127.0.0.1:0")
        collector = monitor._collector
        assert collector.snapshot is not None
        collector.snapshot = replace(collector.snapshot, l1=counts)
        text = scrape(url)
    assert f'ktrig_l1_events_total{{fate="accepted"}} {float(report["l1"]["accepted"])}' in text
    pnn = report["lines"][0]["l1"]
    assert f'ktrig_l1_line_failed_total{{algorithm="!LAV",line="PNN"}} {float(pnn["failed"]["!LAV"])}' in text
    assert f'ktrig_l1_line_accepted_total{{line="PNN"}} {float(pnn["kept"])}' in text
