"""The dashboard of the peak monitors: of every search the largest excess and the limit, of one also its spectrum."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)

from dashboards.board import Panels, dashboard
from dashboards.panels import (
    DATASOURCE,
    RED_IF_ANY,
    SIGMAS,
    against_time,
    along,
    numbers,
    rows,
    spectrum,
    thresholds,
)
from dashboards.transformations import HIDDEN

ABOUT: Final = (
    "Searches for a peak: largest excess, global p-value and upper limits; of one search also its spectrum."
)

CHANNELS: Final = 'search=~"k2pi|kmu2|k3pi"'
"""The channels that count the decays of kaons."""

ONE: Final = 'search="$search"'
"""The search that is chosen at the top of the dashboard."""

GEV: Final = "suffix: GeV"
"""A unit that Grafana does not know by itself."""

YES_NO: Final[list[ValueMapping]] = [
    ValueMap({"0": ValueMappingResult(text="no"), "1": ValueMappingResult(text="yes")})
]


def peaks() -> str:
    """Return the dashboard as JSON."""
    boards: dict[str, Panels] = {
        "All searches": [*_state(), *_table(), *_history()],
        "$search": [*_excess(), *_limits(), *_curves()],
    }
    return dashboard("peaks", "ktrig: peaks", ABOUT, boards, [_search()])


def _search() -> QueryVariable:
    """One of the searches whose spectrum has been searched."""
    variable = QueryVariable("search").datasource(DATASOURCE)
    variable.query("label_values(ktrig_search_local_significance, search)")
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return variable


def _state() -> Panels:
    return [
        numbers(
            "Alarms",
            "Searches whose excess passes the threshold, which is corrected for repeated looks, in the even as in "
            "the odd spills.",
            ("sum(ktrig_search_alarm)", "alarms"),
            span=4,
            steps=RED_IF_ANY,
        ),
        numbers(
            "Active searches",
            "Of all that there are.",
            ("sum(ktrig_search_active)", "active"),
            ("count(ktrig_search_active)", "all"),
            span=6,
        ),
        numbers("Spills", "That have ended.", ("ktrig_spills_total", "spills"), span=4),
        numbers(
            "Normalisation",
            "Decays selected in the channels that count kaon decays: with them limits on the yield become limits on "
            "branching ratios.",
            (f"ktrig_search_selected_total{{{CHANNELS}}}", "{{search}}"),
            span=10,
        ),
    ]


def _table() -> Panels:
    significance = [
        DynamicConfigValue("thresholds", thresholds(SIGMAS).build()),
        DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]
    overrides = {
        "active": [DynamicConfigValue("mappings", YES_NO)],
        "alarm": [DynamicConfigValue("mappings", YES_NO)],
        "Z, last spill": significance,
        "Z, all spills": significance,
        "selected": [DynamicConfigValue("decimals", 0)],
        "mass": [DynamicConfigValue("unit", GEV)],
        "global p": [DynamicConfigValue("unit", "sci")],
        "limit on branching ratio": [DynamicConfigValue("unit", "sci")],
    }
    return [
        rows(
            "Searches",
            "Largest local significance Z with its mass, global p-value, and upper limit at 90% CL where the excess "
            "is largest; of the searches that are inactive, why.",
            ("max by (search) (ktrig_search_active)", "active"),
            ("max by (search) (ktrig_search_selected_total)", "selected"),
            (_of_all("local_significance", "spill"), "Z, last spill"),
            (_of_all("local_significance", "all"), "Z, all spills"),
            (_of_all("excess_mass_gev", "all"), "mass"),
            (_of_all("global_p_value", "all"), "global p"),
            (_of_all("upper_limit_events", "all"), "limit on events"),
            (_of_all("upper_limit_branching_ratio", "all"), "limit on branching ratio"),
            ("max by (search) (ktrig_search_alarm)", "alarm"),
            # An active one has a row without a reason: on a good day the query would be empty otherwise.
            ("max by (search, reason) (ktrig_search_inactive or on (search) ktrig_search_active)", HIDDEN),
            label="search",
            texts=("reason",),
            span=24,
            overrides=overrides,
        )
    ]


def _of_all(figure: str, over: str) -> str:
    return f'max by (search) (ktrig_search_{figure}{{over="{over}"}})'


def _history() -> Panels:
    return [
        against_time(
            "Largest local significance",
            "Of each search, over all spills.",
            ('ktrig_search_local_significance{over="all"}', "{{search}}"),
            span=12,
        ),
        against_time(
            "Selected",
            "Events that each search selects, a second of the clock on the wall.",
            ("sum by (search) (rate(ktrig_search_selected_total[$__rate_interval]))", "{{search}}"),
            span=12,
            unit="hertz",
        ),
    ]


def _excess() -> Panels:
    return [
        numbers(
            "Largest local significance",
            "In the last spill and in all, in standard deviations.",
            (f"ktrig_search_local_significance{{{ONE}}}", "{{over}}"),
            span=6,
            decimals=2,
            steps=SIGMAS,
        ),
        numbers(
            "At mass",
            "Where it is.",
            (f"ktrig_search_excess_mass_gev{{{ONE}}}", "{{over}}"),
            span=6,
            unit=GEV,
        ),
        numbers(
            "Global p-value",
            "Chance that background alone has so large an excess anywhere in the range of masses.",
            (f"ktrig_search_global_p_value{{{ONE}}}", "{{over}}"),
            span=6,
            decimals=3,
        ),
        numbers(
            "Alarm, selected",
            "1 if the alarm is on; events selected.",
            (f"ktrig_search_alarm{{{ONE}}}", "alarm"),
            (f"ktrig_search_selected_total{{{ONE}}}", "selected"),
            span=6,
        ),
    ]


def _limits() -> Panels:
    return [
        numbers(
            "Upper limit on the yield",
            "90% CL, where the excess is largest.",
            (f"ktrig_search_upper_limit_events{{{ONE}}}", "{{over}}"),
            span=12,
            decimals=1,
        ),
        numbers(
            "Upper limit on the branching ratio",
            "90% CL, where the excess is largest, by the normalisation channel and the downscaling of the line.",
            (f"ktrig_search_upper_limit_branching_ratio{{{ONE}}}", "{{over}}"),
            span=12,
            unit="sci",
            decimals=2,
        ),
    ]


def _curves() -> Panels:
    return [
        spectrum(
            "Spectrum",
            "Events selected in all spills, in buckets of the observable: a mass in GeV or its square in GeV2.",
            f"sum by (le) (ktrig_search_spectrum_bucket{{{ONE}}})",
            span=12,
        ),
        along(
            "Upper limit against mass",
            "Events, 90% CL, of all spills.",
            (f"max by (mass_gev) (ktrig_search_limit_by_mass{{{ONE}}})", "upper limit"),
            label="mass_gev",
            x=("mass", GEV),
            span=12,
        ),
        against_time(
            "Largest local significance, spill by spill",
            "In the spill and in all that have ended.",
            (f"ktrig_search_local_significance{{{ONE}}}", "{{over}}"),
            span=12,
        ),
        against_time(
            "Upper limit on the yield, spill by spill",
            "Events, 90% CL.",
            (f"ktrig_search_upper_limit_events{{{ONE}}}", "{{over}}"),
            span=12,
        ),
    ]
