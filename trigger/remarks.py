"""What is allowed in a menu but seldom meant."""

from __future__ import annotations

from collections.abc import Iterator

from trigger.conditions import read_condition
from trigger.experiment import Experiment
from trigger.menu import Control, L0Settings, Menu


def remarks(menu: Menu, experiment: Experiment) -> list[str]:
    """Return a sentence for each oddity of a menu that fits the experiment."""
    return [*_cut_remarks(menu.l0, menu.control), *_twin_remarks(menu, experiment)]


def _cut_remarks(l0: L0Settings, control: Control | None) -> Iterator[str]:
    for name, cut in {"the default": l0.time_cut_lsb, **l0.time_cuts_lsb}.items():
        if cut > l0.slot_lsb + 1:
            yield (
                f"time cut of {name}: {cut} LSB is more than a slot ({l0.slot_lsb} LSB), and only the slot "
                "of the reference and the two beside it are read: wider coincidences are found in part"
            )
    if l0.reference in l0.time_cuts_lsb:
        use = "acts only on entries of the control trigger" if control else "has no effect"
        yield f"time cut of {l0.reference}: {use}, a reference is in time with itself"


def _twin_remarks(menu: Menu, experiment: Experiment) -> Iterator[str]:
    first: dict[frozenset[tuple[int, int, bool]], str] = {}
    for line in menu.line:
        terms = read_condition(line.condition, experiment)
        asked = frozenset((t.detector.index, t.bit, t.veto) for t in terms)
        if asked in first:
            yield f"{line.name} has the same condition as {first[asked]}"
        first.setdefault(asked, line.name)
