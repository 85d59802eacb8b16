"""The kinds of panels of the dashboards, each with its queries: numbers, graphs against time, curves, bars, tables.

`about` is what the panel's (i) says. `span` counts columns, of which the dashboard has 24. A query is PromQL.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import barchart, stat, table, timeseries, trend
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    ScaleDistributionConfig,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.transformations import convert, joined, keep, matrix, reduced, rename, sort

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The Prometheus that is chosen at the top of the dashboard."""

MIN_STEP: Final = "1s"
"""At which Prometheus scrapes; a rate is then taken over four seconds or more."""

NUMBER_ROWS: Final = 4
GRAPH_ROWS: Final = 9
"""Heights of panels, in rows of the grid."""

PLAIN: Final = ((None, "text"),)
RED_IF_ANY: Final = ((None, "green"), (1e-9, "red"))
SIGMAS: Final = ((None, "green"), (3.0, "yellow"), (5.0, "red"))
"""Colours from a value on; the first is that of all below."""

Query = tuple[str, str]
"""An expression, and what its series are called: a name, in which {{label}} stands for the value of a label."""

Steps = tuple[tuple[float | None, str], ...]

Panel = TypeVar("Panel", barchart.Panel, stat.Panel, table.Panel, timeseries.Panel, trend.Panel)


def numbers(
    title: str,
    about: str,
    *queries: Query,
    span: int,
    unit: str = "none",
    decimals: int | None = None,
    steps: Steps = PLAIN,
    mappings: list[ValueMapping] | None = None,
    named: bool = False,
) -> stat.Panel:
    """Show the latest value of each series. named: the name of the series instead, for what is said by labels."""
    panel = _placed(stat.Panel(), title, about, span, NUMBER_ROWS).unit(unit).thresholds(thresholds(steps))
    panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.NONE)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    panel.mappings(mappings or []).no_value("-")
    if named:
        panel.text_mode(BigValueTextMode.NAME)
    if decimals is not None:
        panel.decimals(decimals)
    for ref, (expr, legend) in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_latest(expr, ref).legend_format(legend))
    return panel


def against_time(
    title: str,
    about: str,
    *queries: Query,
    span: int,
    unit: str = "none",
    stacked: bool = False,
    log: bool = False,
) -> timeseries.Panel:
    """Draw queries against the time of day, with the latest values in the legend."""
    panel = _placed(timeseries.Panel(), title, about, span, GRAPH_ROWS).unit(unit)
    panel.legend(_legend(LegendDisplayMode.TABLE, LegendPlacement.RIGHT).calcs(["lastNotNull"]))
    panel.color_scheme(_palette()).tooltip(_all_series()).line_width(1)
    panel.show_points(VisibilityMode.NEVER).axis_soft_min(0.0)
    if stacked:
        panel.stacking(StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    if log:
        panel.scale_distribution(_logarithmic())
    for ref, (expr, legend) in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_query(expr, ref).range().interval(MIN_STEP).legend_format(legend))
    return panel


def along(
    title: str,
    about: str,
    query: Query,
    *,
    label: str,
    x: tuple[str, str],
    span: int,
    unit: str = "none",
    split: str | None = None,
) -> trend.Panel:
    """Draw the latest values against the number in one of their labels.

    x: name and unit of the axis for it. split: another label, each value of which has a curve of its own.
    """
    expr, name = query
    axis, axis_unit = x
    panel = _placed(trend.Panel(), title, about, span, GRAPH_ROWS).unit(unit)
    panel.with_target(_table(expr, "A"))
    if split is None:
        panel.with_transformation(keep(label, "Value"))
        panel.with_transformation(rename({label: axis, "Value": name}))
    else:
        panel.with_transformation(matrix(label, split)).with_transformation(
            rename({f"{label}\\{split}": axis})
        )
    panel.with_transformation(convert(axis, "number")).with_transformation(sort(axis))
    panel.color_scheme(_palette()).tooltip(_all_series())
    panel.legend(_legend(LegendDisplayMode.LIST, LegendPlacement.BOTTOM)).x_field(axis)
    panel.draw_style(GraphDrawStyle.LINE).line_width(1).fill_opacity(10).axis_soft_min(0.0)
    return panel.override_by_name(axis, [DynamicConfigValue("unit", axis_unit)])


def bars(
    title: str,
    about: str,
    *queries: Query,
    label: str,
    span: int,
    unit: str = "none",
    log: bool = False,
    numeric: bool = False,
) -> barchart.Panel:
    """Draw bars of the latest values at each value of a label, side by side. numeric: in the order of its numbers."""
    panel = _bars(title, about, span).unit(unit).x_field(label)
    for ref, (expr, _name) in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_table(expr, ref))
    for step in joined(label, [name for _expr, name in queries]):
        panel.with_transformation(step)
    if numeric:
        panel.with_transformation(convert(label, "number")).with_transformation(sort(label))
        # An axis of numbers would be drawn to scale, and 43 kHz leaves no room for the mains.
        panel.with_transformation(convert(label, "string"))
    return panel.scale_distribution(_logarithmic()) if log else panel


def spectrum(title: str, about: str, expr: str, *, span: int) -> barchart.Panel:
    """Draw the contents of the buckets of one histogram, at their upper edges."""
    edge, events = "upper edge", "events"
    query = _latest(expr, "A").format(PromQueryFormat.HEATMAP).legend_format("{{le}}")
    panel = _bars(title, about, span).with_target(query).x_field(edge)
    # What comes for a heatmap is no longer cumulative: a column for each bucket, in the order of their edges.
    panel.with_transformation(reduced())
    return panel.with_transformation(rename({"Field": edge, "Last *": events})).group_width(1.0)


def rows(
    title: str,
    about: str,
    *queries: Query,
    label: str,
    span: int,
    texts: tuple[str, ...] = (),
    overrides: dict[str, list[DynamicConfigValue]] | None = None,
) -> table.Panel:
    """Show a row for each value of a label and a column for each query. texts: further labels that are columns."""
    panel = _placed(table.Panel(), title, about, span, GRAPH_ROWS + 3).decimals(3)
    for ref, (expr, _name) in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_table(expr, ref))
    for step in joined(label, [name for _expr, name in queries], texts):
        panel.with_transformation(step)
    panel.with_transformation(sort(label))
    for column, properties in (overrides or {}).items():
        panel.override_by_name(column, properties)
    return panel


def _placed(panel: Panel, title: str, about: str, span: int, height: int) -> Panel:
    return panel.title(title).description(about).datasource(DATASOURCE).span(span).height(height)


def _bars(title: str, about: str, span: int) -> barchart.Panel:
    panel = _placed(barchart.Panel(), title, about, span, GRAPH_ROWS).show_value(VisibilityMode.NEVER)
    panel.legend(_legend(LegendDisplayMode.LIST, LegendPlacement.BOTTOM))
    return (
        panel.color_scheme(_palette())
        .tooltip(_all_series())
        .x_tick_label_rotation(-45)
        .x_tick_label_spacing(50)
    )


def _palette() -> FieldColor:
    return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)


def _all_series() -> VizTooltipOptions:
    return VizTooltipOptions().mode(TooltipDisplayMode.MULTI)


def _legend(mode: LegendDisplayMode, place: LegendPlacement) -> VizLegendOptions:
    return VizLegendOptions().display_mode(mode).placement(place).show_legend(True)


def _query(expr: str, ref: str) -> Dataquery:
    return Dataquery().datasource(DATASOURCE).expr(expr).ref_id(ref)


def _latest(expr: str, ref: str) -> Dataquery:
    return _query(expr, ref).instant()


def _table(expr: str, ref: str) -> Dataquery:
    return _latest(expr, ref).format(PromQueryFormat.TABLE)


def _logarithmic() -> ScaleDistributionConfig:
    return ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Return what gives values their colour."""
    found = [Threshold(value=value, color=colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)
