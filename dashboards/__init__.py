"""Grafana dashboards, built from Python: `python -m dashboards` writes the JSON beside this file."""

from __future__ import annotations

import warnings

# The SDK calls the classic form of dashboards deprecated as soon as it is imported. Every Grafana reads that form,
# the later one only the latest.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.builders.barchart
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.builders.prometheus
    import grafana_foundation_sdk.builders.stat
    import grafana_foundation_sdk.builders.table
    import grafana_foundation_sdk.builders.timeseries
    import grafana_foundation_sdk.builders.trend  # noqa: F401 - all of them only to be loaded here
