"""The report of a comparison: a plain dictionary, what `--json` prints."""

from __future__ import annotations

from typing import Any, Final

from streams.compare import Compared, Comparison
from streams.compare_causes import NAMES, describe_causes
from streams.monitors import correlated, rates
from streams.monitors.correlated import Downscaled, Overlap
from trigger.activity import LineActivity, activity
from trigger.clock import FRAME_S, LSB_NS
from trigger.l0.difference import AFTER, BEFORE, LEVELS, SIDES, TRIGGER_TAG
from trigger.l0.entries import CONTROL_TAG, REFERENCE_TAG
from trigger.l0.overlap import overlap_matrix, pure_counts, row_counts
from trigger.menu import Control, Line

Report = dict[str, Any]

LEVEL_NAMES: Final = ("before", "after")
BY: Final = {REFERENCE_TAG: "reference", CONTROL_TAG: "control", TRIGGER_TAG: "triggers"}


def build_report(asked: Comparison, found: Compared) -> Report:
    """Put a comparison together. Rates are per second between the first and last frame with primitives."""
    beam_s = rates.span_s(found.span)
    verdicts = [activity(menu, asked.experiment, found.detectors) for menu in asked.menus]
    sides = [_Side(asked, found, side, verdicts[side], beam_s) for side in SIDES]
    pairs = asked.pairs
    lines = [_line(sides[0], sides[1], pair, asked, found, beam_s) for pair in pairs]
    paired: tuple[set[int], set[int]] = ({a for a, _ in pairs}, {b for _, b in pairs})
    triggers = _triggers(found, beam_s)
    return {
        "experiment": asked.experiment.name,
        "run": found.header.run,
        "burst": found.header.burst,
        "spill_s": found.header.n_frames * FRAME_S,
        "beam_s": beam_s,
        "beam_span_s": None
        if found.span is None
        else [found.span[0] * FRAME_S, (found.span[1] + 1) * FRAME_S],
        "menus": {name: side.menu for name, side in zip(NAMES, sides, strict=True)},
        "same_settings": found.same,
        "dispatch": [
            name for name, menu in zip(NAMES, asked.menus, strict=True) if menu.dispatch is not None
        ],
        "matched_by": {BY[tag]: "slot" if by else "time" for tag, by in found.differences.by_slot.items()},
        "window_ns": found.differences.window_lsb * LSB_NS,
        "lines": lines,
        "only_in": {
            name: [side.line(row) for row in side.rows if row not in paired[i]]
            for i, (name, side) in enumerate(zip(NAMES, sides, strict=True))
        },
        "overlap": {name: side.overlap() for name, side in zip(NAMES, sides, strict=True)},
        "triggers": triggers,
        "closed": all(line["closed"] for line in lines)
        and triggers["closed"]
        and all(side.closed for side in sides),
    }


class _Side:
    """One of the two menus: its lines and their own rates."""

    def __init__(
        self, asked: Comparison, found: Compared, side: int, verdicts: list[LineActivity], beam_s: float
    ) -> None:
        menu = asked.menus[side]
        self._beam_s = beam_s
        self._counts = (found.before[side], found.after[side])
        self._seen = found.differences.seen[side]
        self.rows: dict[int, Line | Control] = dict(menu.rows)
        self.verdicts = dict(zip(self.rows, verdicts, strict=True))
        self.menu = {"name": menu.name, "source": asked.named[side], "hash": menu.hash}
        # Counted by the processor and from its entries.
        self.closed = all(
            row_counts(seen).tolist() == counts.tolist()
            for seen, counts in zip(self._seen, self._counts, strict=True)
        )

    def count(self, row: int, level: int) -> int:
        """Firings as the processor counted them."""
        return int(self._counts[level][row])

    def downscaled(self, row: int) -> Downscaled:
        """What downscaling left of a line's firings."""
        return Downscaled(self.count(row, BEFORE), self.count(row, AFTER), self.rows[row].downscaling)

    def rate(self, row: int, level: int) -> tuple[float | None, float | None]:
        """Return (rate, error) as `ktrig replay` has them; None of a line that cannot fire."""
        if not self.verdicts[row].active:
            return None, None
        if level == BEFORE:
            return rates.rate(self.count(row, BEFORE), self._beam_s)
        before, after = self.count(row, BEFORE), self.count(row, AFTER)
        return rates.downscaled_rate(before, after, self.rows[row].downscaling, self._beam_s)

    def line(self, row: int) -> Report:
        """Describe a line of this menu."""
        line, verdict = self.rows[row], self.verdicts[row]
        described: Report = {
            "name": line.name,
            "condition": line.condition,
            "downscaling": line.downscaling,
            "active": verdict.active,
            "reason": verdict.reason,
            "unapplied": list(verdict.unapplied),
        }
        for level, name in zip(LEVELS, LEVEL_NAMES, strict=True):
            rate, error = self.rate(row, level)
            described[name] = {"events": self.count(row, level), "rate_hz": rate, "rate_error_hz": error}
        return described

    def overlap(self) -> Report:
        """Events by pair of lines, and of each line alone."""
        rows = [*self.rows]
        report: Report = {"lines": [line.name for line in self.rows.values()]}
        for level, name in zip(LEVELS, LEVEL_NAMES, strict=True):
            counts = self._seen[level]
            pure = pure_counts(counts)[rows].tolist()
            measured = [rates.rate(n, self._beam_s) for n in pure]
            report[name] = {
                "events": overlap_matrix(counts)[rows][:, rows].tolist(),
                "pure": pure,
                "pure_rate_hz": [rate for rate, _ in measured],
                "pure_rate_error_hz": [error for _, error in measured],
            }
        return report


def _line(
    a: _Side, b: _Side, pair: tuple[int, int], asked: Comparison, found: Compared, beam_s: float
) -> Report:
    """Compare a line of both menus."""
    described: Report = {"name": a.rows[pair[0]].name, "A": a.line(pair[0]), "B": b.line(pair[1])}
    active = a.verdicts[pair[0]].active and b.verdicts[pair[1]].active
    events = [_overlap(found, pair[0], level) for level in LEVELS]
    downscaled = a.downscaled(pair[0]), b.downscaled(pair[1])
    differences = (
        correlated.difference(events[BEFORE], beam_s),
        correlated.downscaled_difference(events[BEFORE], *downscaled, beam_s),
    )
    ratios = correlated.ratio(events[BEFORE]), correlated.downscaled_ratio(events[BEFORE], *downscaled)
    for level, name in zip(LEVELS, LEVEL_NAMES, strict=True):
        difference = differences[level] if active else (None, None)
        ratio = (ratios[level] if active else None) or (None, None)
        described[name] = {
            "common": events[level].common,
            "lost": events[level].only_a,
            "gained": events[level].only_b,
            "difference_hz": difference[0],
            "difference_error_hz": difference[1],
            "ratio": ratio[0],
            "ratio_error": ratio[1],
            "lost_because": describe_causes(asked, found, pair, level, 0),
            "gained_because": describe_causes(asked, found, pair, level, 1),
        }
    described["closed"] = all(
        (events[level].a, events[level].b) == (a.count(pair[0], level), b.count(pair[1], level))
        and sum(c["events"] for c in described[name]["lost_because"]) == events[level].only_a
        and sum(c["events"] for c in described[name]["gained_because"]) == events[level].only_b
        for level, name in zip(LEVELS, LEVEL_NAMES, strict=True)
    )
    return described


def _overlap(found: Compared, row_a: int, level: int) -> Overlap:
    differences = found.differences
    only_a, only_b = (int(differences.only[side][level][row_a]) for side in SIDES)
    return Overlap(int(differences.common[level][row_a]), only_a, only_b, found.same)


def _triggers(found: Compared, beam_s: float) -> Report:
    """Compare all L0 triggers."""
    differences = found.differences
    only_a, only_b = differences.triggers_only
    events = Overlap(differences.triggers_common, only_a, only_b, found.same)
    difference, error = correlated.difference(events, beam_s)
    ratio, ratio_error = correlated.ratio(events) or (None, None)
    report: Report = {"common": events.common, "lost": events.only_a, "gained": events.only_b}
    for name, n in zip(NAMES, found.triggers, strict=True):
        rate, rate_error = rates.rate(n, beam_s)
        report[name] = {"events": n, "rate_hz": rate, "rate_error_hz": rate_error}
    return report | {
        "difference_hz": difference,
        "difference_error_hz": error,
        "ratio": ratio,
        "ratio_error": ratio_error,
        "closed": (events.a, events.b) == found.triggers,
    }
