"""The table of metrics: name, labels, meaning, and where the values come from."""

from __future__ import annotations

from typing import Final

from streams.metrics_monitors import MONITOR_TABLE
from streams.metrics_trigger import TRIGGER_TABLE

TABLE: Final = (*TRIGGER_TABLE, *MONITOR_TABLE)
