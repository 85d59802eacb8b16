"""A row of the table of metrics, and what a scrape looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from streams.monitors.rates import Snapshot
from streams.timing import Lateness
from trigger.activity import LineActivity
from trigger.menu import Menu

if TYPE_CHECKING:
    # It compiles kernels, which who only reads the table does not want.
    from streams.monitors.watch import Watch

Values = Mapping[tuple[str, ...], float]
"""Values of a metric by its labels."""


@dataclass(frozen=True)
class View:
    """What a scrape looks at.

    late: of all blocks of the replay. finished: whether the spill is over. selected: events of the spill by search.
    watch: the monitors of beam and peaks; None if they have not begun.
    """

    now: Snapshot
    menu: Menu
    verdicts: tuple[LineActivity, ...]
    late: Lateness = field(default_factory=Lateness)
    finished: bool = False
    selected: Mapping[str, int] = field(default_factory=dict)
    watch: Watch | None = None


Buckets = Mapping[tuple[str, ...], tuple[Sequence[tuple[str, float]], float]]
"""Of a histogram: cumulative buckets as (upper edge, count), and the sum of what is in them, by its labels."""


@dataclass(frozen=True)
class MetricRow:
    """A row of the table of metrics: name without `_total` or `_info`, labels, meaning, and its values in a view.

    Of a histogram, `buckets` has the values.
    """

    name: str
    kind: type[Metric]
    labels: tuple[str, ...]
    help: str
    values: Callable[[View], Values] = lambda _view: {}
    buckets: Callable[[View], Buckets] = lambda _view: {}
