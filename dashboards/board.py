"""A dashboard from rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync
from grafana_foundation_sdk.models.dashboard import Panel as BuiltPanel

Panels = Sequence[Builder[BuiltPanel]]
"""From left to right and from top to bottom; they fill whole lines of 24 columns."""


def dashboard(
    name: str, title: str, about: str, rows: dict[str, Panels], variables: Sequence[QueryVariable] = ()
) -> str:
    """Return the JSON of a dashboard on the data source that is chosen at its top.

    rows: panels by the title of their row. They are numbered in order.
    """
    board = Dashboard(title).uid(f"ktrig-{name}").description(about).tags(["ktrig"]).readonly()
    board.tooltip(DashboardCursorSync.CROSSHAIR).time("now-15m", "now").refresh("5s")
    board.with_variable(DatasourceVariable("datasource").label("data source").type("prometheus"))
    for variable in variables:
        board.with_variable(variable)
    for row, panels in rows.items():
        board.with_row(Row(row))
        for panel in panels:
            board.with_panel(panel)
    built = board.build()
    for number, place in enumerate(built.panels or [], start=1):
        place.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
