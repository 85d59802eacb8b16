"""Print docs/metrics.md from the table of metrics: python -m streams.metrics_document > docs/metrics.md"""

from __future__ import annotations

from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, InfoMetricFamily

from streams.metrics_row import MetricRow
from streams.metrics_table import TABLE

HEAD: Final = """# Metrics

`ktrig replay --metrics HOST:PORT` serves these at `/metrics` while it plays, read from the monitor's state when they
are scraped. A spill of 4.8 s wants a scrape interval of a second or less. Counters go on over the spills of one
replay; a spill that is begun again, because a stage was started anew, counts once.

This page is made from the tables in `streams/metrics_trigger.py` and `streams/metrics_monitors.py`:
`python -m streams.metrics_document > docs/metrics.md`.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def metrics_document() -> str:
    """Return the document."""
    return HEAD + "".join(_row(row) for row in TABLE)


def _row(row: MetricRow) -> str:
    kinds = {InfoMetricFamily: ("info", "_info"), CounterMetricFamily: ("counter", "_total")}
    kind, suffix = kinds.get(row.kind, ("histogram" if row.kind is HistogramMetricFamily else "gauge", ""))
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"| `{row.name}{suffix}` | {kind} | {labels} | {row.help} |\n"


if __name__ == "__main__":
    print(metrics_document(), end="")
