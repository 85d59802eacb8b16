"""What the report of a replay says of L1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.counts import L1Counts
from streams.monitors import rates
from trigger.l1.fates import FATES, LINE_FATES, NOTES
from trigger.menu import Menu

Report = dict[str, Any]


def l1_report(l1: L1Counts, menu: Menu) -> Report:
    """Say what became of the events; fates add up to `events`, notes say more of some of them."""
    assert menu.l1 is not None
    return {
        "straw": menu.l1.straw,
        "events": l1.events,
        **dict(zip(FATES, l1.fates.tolist(), strict=True)),
        **dict(zip(NOTES, l1.notes.tolist(), strict=True)),
        "missing": l1.missing,
    }


def line_reports(l1: L1Counts, menu: Menu) -> list[Report | None]:
    """Say what became of the events of each line, in the order of the menu's rows; None for the control trigger.

    failed: by algorithm, as the menu has it, the events that it was the first to fail.
    """
    reports: list[Report | None] = []
    first = 0
    for row, line in enumerate(menu.line):
        steps = l1.failed[first : first + len(line.l1)].tolist()
        first += len(line.l1)
        failed: dict[str, int] = {}
        for step, n in zip(line.l1, steps, strict=True):
            failed[step.run] = failed.get(step.run, 0) + n
        reports.append(dict(zip(LINE_FATES, l1.lines[row].tolist(), strict=True)) | {"failed": failed})
    return reports + [None] * (len(menu.rows) - len(menu.line))


def total_l1(reports: Sequence[Report | None]) -> Report | None:
    """Add what the reports of several spills say of all events, or of a line; None if L1 did not run."""
    known = [report for report in reports if report is not None]
    return _sum(known) if known else None


def _sum(reports: Sequence[Mapping[str, Any]]) -> Report:
    """Add counts by name, and those in maps by theirs; text is that of the first. What follows from counts goes."""
    total: Report = {}
    for name, value in reports[0].items():
        if name.startswith("rate_") or name == "reduction":
            continue
        values = [report[name] for report in reports]
        if isinstance(value, Mapping):
            names = dict.fromkeys(key for mapping in values for key in mapping)
            total[name] = {key: sum(mapping.get(key, 0) for mapping in values) for key in names}
        else:
            total[name] = value if isinstance(value, str) else sum(values)
    return total


def with_l1_rates(line: Report) -> Report:
    """Add the rates in front of L1 and behind it, and the reduction; None if the line never could fire."""
    l1 = {name: value for name, value in line["l1"].items() if not name.startswith("rate_")}
    for name, count in (("in", l1["input"]), ("out", l1["kept"])):
        found: tuple[float | None, float | None] = (None, None)
        if line["active"] and line["beam_s"] > 0:
            found = rates.rate(count, line["beam_s"], line["repeats"])
        l1[f"rate_{name}_hz"], l1[f"rate_{name}_error_hz"] = found
    l1["reduction"] = l1["input"] / l1["kept"] if l1["kept"] else None
    return line | {"l1": l1}


def rated_l1(l1: Report | None, beam_s: float) -> Report | None:
    """Add the rate of accepted events."""
    if l1 is None:
        return None
    rate, error = rates.rate(l1["accepted"], beam_s)
    return l1 | {"rate_hz": rate, "rate_error_hz": error}
