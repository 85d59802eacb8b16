"""The dashboard of the beam and the trigger: how good the spill is, what the lines fire, where the rest goes."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    SpecialValueMap,
    SpecialValueMatch,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from dashboards.board import Panels, dashboard
from dashboards.panels import RED_IF_ANY, Query, against_time, along, bars, numbers

ABOUT: Final = "Intensity along the spill, rates of the trigger lines, losses and the state of the stream."

TIME_IN_SPILL: Final = ("time in spill", "s")

LATENESS: Final = "sum by (le) (rate(ktrig_block_lateness_seconds_bucket[$__rate_interval]))"

UNKNOWN: Final = SpecialValueMap(
    DashboardSpecialValueMapOptions(
        SpecialValueMatch.NULL_AND_NAN, ValueMappingResult(text="unknown", color="text")
    )
)

QUALITY: Final[list[ValueMapping]] = [
    ValueMap(
        {
            "2": ValueMappingResult(text="good", color="green"),
            "1": ValueMappingResult(text="poor", color="yellow"),
            "0": ValueMappingResult(text="bad", color="red"),
        }
    ),
    UNKNOWN,
]
"""What the values of ktrig_spill_quality mean."""


def spill() -> str:
    """Return the dashboard as JSON."""
    rows: dict[str, Panels] = {
        "Spill": [*_verdict(), *_figures()],
        "Along the spill": _along_the_spill(),
        "Lines": _lines(),
        "Losses": _losses(),
        "Stream": _stream(),
    }
    return dashboard("spill", "ktrig: spill", ABOUT, rows)


def _rate(counter: str, label: str) -> Query:
    """The rate of a counter, a second of the clock on the wall, by a label."""
    return f"sum by ({label}) (rate({counter}[$__rate_interval]))", f"{{{{{label}}}}}"


def _verdict() -> Panels:
    return [
        numbers(
            "Spill",
            "The spill that is being played, and the menu.",
            ("ktrig_spill_info", "run {{run}} burst {{burst}}, {{menu}}"),
            span=8,
            named=True,
        ),
        numbers(
            "Quality",
            "Verdict on the last spill that has ended.",
            ("ktrig_spill_quality", "quality"),
            span=4,
            mappings=QUALITY,
        ),
        numbers(
            "Because",
            "What makes the spill poor, bad or unknown.",
            ("ktrig_spill_quality_reason", "{{reason}}"),
            span=6,
            named=True,
        ),
        numbers("Reached", "Time in the spill.", ("ktrig_spill_position_seconds", "time"), span=3, unit="s"),
        numbers("Spills", "That have ended.", ("ktrig_spills_total", "spills"), span=3),
    ]


def _figures() -> Panels:
    return [
        numbers(
            "Intensity now",
            "Beam particles a second, from the last block.",
            ("ktrig_beam_intensity_hertz", "intensity"),
            span=4,
            unit="hertz",
        ),
        numbers(
            "Duty factor",
            "Of the plateau in bins of 5 ms: mean squared over mean of the square, raw and with the spread of "
            "counting taken off.",
            ("ktrig_duty_factor", "{{estimator}} {{correction}}"),
            span=8,
            decimals=3,
        ),
        numbers(
            "Effective length",
            "Of a flat spill with as many accidental coincidences.",
            ("ktrig_effective_spill_seconds", "effective length"),
            span=3,
            unit="s",
        ),
        numbers(
            "Shape",
            "Of the plateau in bins of 5 ms: maximum over mean, skewness, and kurtosis, which is 0 for a Gaussian.",
            ("ktrig_intensity_max_over_mean", "max / mean"),
            ("ktrig_intensity_skewness", "skewness"),
            ("ktrig_intensity_kurtosis", "kurtosis"),
            span=6,
            decimals=2,
        ),
        numbers(
            "Gaps, spike",
            "Gaps in the beam, and whether it began with a spike.",
            ("ktrig_spill_gaps", "gaps"),
            # Of a piece of a spill no one knows, and there is no sample.
            ("ktrig_spill_spike or NaN * ktrig_spill_gaps", "spike"),
            span=3,
            mappings=[UNKNOWN],
            steps=((None, "green"), (1.0, "yellow")),
        ),
    ]


def _along_the_spill() -> Panels:
    return [
        along(
            "Intensity along the spill",
            "Beam particles a second against time in the present spill, as far as it is played, by each estimator.",
            ("max by (estimator, seconds) (ktrig_intensity_in_spill_hertz)", "intensity"),
            label="seconds",
            split="estimator",
            x=TIME_IN_SPILL,
            span=16,
            unit="hertz",
        ),
        along(
            "Live fraction along the spill",
            "Triggers that were not lost to choke and dead time, against time in the last spill that has ended.",
            ("max by (seconds) (ktrig_live_fraction)", "live fraction"),
            label="seconds",
            x=TIME_IN_SPILL,
            span=8,
            unit="percentunit",
        ),
        bars(
            "Harmonics",
            "Amplitude of the intensity at multiples of the mains and at the turn of the SPS (43 kHz), relative to "
            "the mean, beside what noise alone would give.",
            ("max by (hertz) (ktrig_harmonic_amplitude)", "amplitude"),
            ("max by (hertz) (ktrig_harmonic_noise)", "noise"),
            label="hertz",
            numeric=True,
            span=12,
            unit="percentunit",
        ),
        against_time(
            "Duty factor, spill by spill",
            "With the spread of counting taken off.",
            ('ktrig_duty_factor{correction="poisson"}', "{{estimator}}"),
            span=12,
        ),
    ]


def _lines() -> Panels:
    return [
        against_time(
            "L0 before downscaling",
            "Firings that downscaling saw, by line. All rates are a second of the clock on the wall: a replay at "
            "another speed than 1 has others.",
            _rate("ktrig_l0_before_downscaling_total", "line"),
            span=8,
            unit="hertz",
            log=True,
        ),
        against_time(
            "L0 after downscaling",
            "Firings that downscaling kept, by line.",
            _rate("ktrig_l0_after_downscaling_total", "line"),
            span=8,
            unit="hertz",
            log=True,
        ),
        against_time(
            "L1 output",
            "Events that L1 accepted with the line's bit.",
            _rate("ktrig_l1_line_accepted_total", "line"),
            span=8,
            unit="hertz",
            log=True,
        ),
        bars(
            "Lines per beam particle",
            "Firings in the last spill that has ended over its beam particles: rates with the intensity taken out.",
            ('max by (line) (ktrig_line_per_beam_particle{downscaling="before"})', "before downscaling"),
            ('max by (line) (ktrig_line_per_beam_particle{downscaling="after"})', "after downscaling"),
            label="line",
            span=16,
            unit="sci",
            log=True,
        ),
        against_time(
            "L1 fates",
            "Events that L1 concluded.",
            _rate("ktrig_l1_events_total", "fate"),
            span=8,
            unit="hertz",
            stacked=True,
        ),
    ]


def _losses() -> Panels:
    return [
        against_time(
            "Lost firings",
            "Firings of all lines lost in the tick of a trigger, to choke and dead time; with --explain also those "
            "that an ideal processor has.",
            _rate("ktrig_l0_lost_total", "reason"),
            span=8,
            unit="hertz",
        ),
        against_time(
            "Entries that became no trigger",
            "Reference and control primitives, by fate.",
            _rate("ktrig_l0_entries_total", "outcome"),
            span=8,
            unit="hertz",
            stacked=True,
        ),
        against_time(
            "Ledger",
            "What came in less what is accounted for, by stage and line. Anything but 0 is a fault.",
            ("ktrig_ledger_balance", "{{account}}"),
            span=8,
        ),
    ]


def _stream() -> Panels:
    return [
        *_mishaps(),
        against_time(
            "Lateness of blocks",
            "Between when a block was due and when it left the source; without data at speed max.",
            (f"histogram_quantile(0.5, {LATENESS})", "median"),
            (f"histogram_quantile(0.99, {LATENESS})", "99%"),
            span=8,
            unit="s",
        ),
        against_time(
            "Queues of the links",
            "Messages that a sender keeps until the receiver has dealt with them.",
            ("ktrig_link_queued_messages", "{{link}}"),
            span=8,
        ),
        against_time(
            "Cores in use",
            "CPU time of each stage a second.",
            _rate("ktrig_stage_busy_seconds_total", "stage"),
            span=8,
            stacked=True,
        ),
    ]


def _mishaps() -> Panels:
    return [
        numbers(
            "Ledger",
            "Sum of what is not accounted for.",
            ("sum(abs(ktrig_ledger_balance))", "balance"),
            span=6,
            steps=RED_IF_ANY,
        ),
        numbers(
            "Restarts",
            "Receivers that were started anew in the middle of a spill.",
            ("sum(ktrig_link_restarts_total)", "restarts"),
            span=6,
            steps=RED_IF_ANY,
        ),
        numbers(
            "Sent again",
            "Messages sent once more after a connection was lost.",
            ("sum(ktrig_link_redelivered_total)", "messages"),
            span=6,
            steps=RED_IF_ANY,
        ),
        numbers(
            "Not taken",
            "Messages that were malformed, duplicates, out of order or stale.",
            ("sum(ktrig_link_rejected_total)", "messages"),
            span=6,
            steps=RED_IF_ANY,
        ),
    ]
