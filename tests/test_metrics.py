"""Prometheus metrics: what is served, under which names, and that it is the monitor's own state."""

from __future__ import annotations

import math
import socket
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, InfoMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from streams.catalogue import load_menu
from streams.metrics import TABLE, MetricName, MetricsError, MetricsServer, MonitorCollector, parse_address
from streams.monitors import rates
from streams.stages.exchange import L0Counts, L0Output, SpillStart, StageTotals
from trigger.activity import activity
from trigger.l0.registers import N_ROWS
from trigger.l0.triggers import ACCOUNTS, Triggers

MENU, NA62 = load_menu("na62-2018")
DETECTORS = ("CHOD", "RICH", "NewCHOD")
README = Path(__file__).parent.parent / "README.md"


def collector(detectors: tuple[str, ...] = DETECTORS) -> MonitorCollector:
    """A collector after one block."""
    start = SpillStart("na62", 12, 34, 0, 2048, detectors)
    rows = np.arange(N_ROWS, dtype=np.int64)
    counts = L0Counts(rows * 10, rows, rows + 1, {name: i for i, name in enumerate(ACCOUNTS)})
    triggers = Triggers(
        np.arange(3), np.array([1, 1, 4], np.uint16), np.array([1, 0x11, 1], np.uint8),
        np.zeros((0, 3, 7), np.uint32),
    )  # fmt: skip
    totals = StageTotals(1, dict.fromkeys(detectors, 1000), 0.25)
    now = rates.advance(
        rates.fresh(start), L0Output(0, 1024, triggers, counts, totals, totals, (0, 1023)), NA62
    )
    return MonitorCollector(MENU, NA62, activity(MENU, NA62, detectors), now)


def samples(of: MonitorCollector) -> dict[tuple[str, str], float]:
    """Values by (name, label), as a scrape gives them."""
    registry = CollectorRegistry()
    registry.register(of)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (s.name, next(iter(s.labels.values()), "")): s.value
        for family in families
        if family.name != "ktrig_spill"
        for s in family.samples
    }


def exposed(row: MetricName) -> str:
    """The name under which a row of the table is served."""
    endings: dict[type[Metric], str] = {CounterMetricFamily: "_total", InfoMetricFamily: "_info"}
    return row.name + endings.get(row.kind, "")


def test_every_metric_of_the_table_is_served_and_no_other() -> None:
    registry = CollectorRegistry()
    registry.register(collector())
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    served = {sample.name for family in families for sample in family.samples}
    assert served == {exposed(row) for row in TABLE}


def test_the_values_are_those_of_the_monitor() -> None:
    values = samples(collector())
    assert values["ktrig_primitives_total", "RICH"] == 1000
    assert values["ktrig_l0_before_downscaling_total", "MT"] == 20
    assert values["ktrig_l0_before_downscaling_total", "Control"] == 160
    assert values["ktrig_l0_after_downscaling_total", "PNN"] == 2
    assert values["ktrig_l0_after_downscaling_total", "Control"] == 1
    assert values["ktrig_l0_same_tick_total", "Non-mu"] == 2
    assert values["ktrig_l0_triggers_total", ""] == 3
    assert values["ktrig_l0_entries_total", "downscaled"] == ACCOUNTS.index("downscaled")
    assert values["ktrig_blocks_total", "l0"] == 1
    assert values["ktrig_line_active", "MT"] == 1
    assert values["ktrig_line_active", "eMT"] == 0


def test_an_intensity_that_is_not_known_is_not_a_number() -> None:
    assert math.isnan(samples(collector(("RICH",)))["ktrig_beam_intensity_hertz", ""])


def test_names_follow_the_rules_of_prometheus_and_stand_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    for row in TABLE:
        assert not row.name.endswith("_total")
        assert row.help.endswith(".")
        assert f"`{exposed(row)}`" in text


def test_a_server_answers_at_a_free_port_and_lets_it_go() -> None:
    with closing(MetricsServer("127.0.0.1:0", collector())) as server:
        with urlopen(server.url, timeout=5) as answer:
            assert b"ktrig_l0_triggers_total 3.0" in answer.read()
        port = int(server.url.rsplit(":", 1)[1].split("/")[0])
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_busy_port_is_an_error_that_names_it() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MetricsError, match=f"{address}: Address already in use; choose another"):
            MetricsServer(address, collector())


@pytest.mark.parametrize("address", ["", "9100", "host:", ":9100", "host:http", "host:65536", "host:-1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(MetricsError, match="give HOST:PORT"):
        parse_address(address)
