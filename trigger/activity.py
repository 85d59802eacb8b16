"""Which lines of a menu can fire when some detectors are not in the spill."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from trigger.conditions import read_condition
from trigger.experiment import Experiment
from trigger.menu import Menu


@dataclass(frozen=True)
class LineActivity:
    """Whether a line can fire, why not, and which of its vetoes have nothing to veto with."""

    name: str
    active: bool
    reason: str = ""
    unapplied: tuple[str, ...] = ()


def activity(menu: Menu, experiment: Experiment, present: Collection[str]) -> list[LineActivity]:
    """Judge every line, then the control trigger if there is one, by the detectors that are present.

    A line needs the reference and the detectors it requires; the control trigger needs its own detector
    instead of the reference. A line with a veto on an absent detector stays active without that veto.
    """
    reference = menu.l0.reference
    verdicts = [
        _judge(line.name, line.condition, f"reference {reference}", reference, experiment, present)
        for line in menu.line
    ]
    if menu.control:
        name, detector = menu.control.name, menu.control.detector
        verdicts.append(
            _judge(
                name, menu.control.condition, f"control detector {detector}", detector, experiment, present
            )
        )
    return verdicts


def _judge(
    name: str, condition: str, role: str, source: str, experiment: Experiment, present: Collection[str]
) -> LineActivity:
    """Judge one line whose entries come from the detector `source`."""
    if source not in present:
        return LineActivity(name, False, f"{role} is absent")
    terms = read_condition(condition, experiment)
    absent = [t for t in terms if t.detector.name not in present]
    required = list(dict.fromkeys(t.detector.name for t in absent if not t.veto))
    if required:
        verb = "is" if len(required) == 1 else "are"
        return LineActivity(name, False, f"requires {' and '.join(required)}, which {verb} absent")
    vetoes = dict.fromkeys(t.detector.name for t in absent)
    return LineActivity(name, True, "", tuple(f"veto on {d} not applied: absent" for d in vetoes))
