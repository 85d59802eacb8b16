"""A spectrum in UHI's form, which other programs read: docs/monitors-snapshot.md."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from trigger.toml_source import fault


class Part(BaseModel):
    """A part of a file: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HistogramAxis(Part):
    """Equal bins and one more at each end."""

    type: Literal["regular"] = "regular"
    lower: Annotated[float, Strict()]
    upper: Annotated[float, Strict()]
    bins: Annotated[int, Strict(), Field(ge=1)]
    underflow: Literal[True] = True
    overflow: Literal[True] = True
    circular: Literal[False] = False
    metadata: dict[str, str] = Field(default_factory=dict)


class HistogramStorage(Part):
    """Entries of all bins: below the axis, in it, above it."""

    type: Literal["int"] = "int"
    values: tuple[Annotated[int, Strict(), Field(ge=0)], ...]


class Histogram(Part):
    """A spectrum in UHI's form, which `hist.Hist` takes as it is in the file."""

    uhi_schema: Literal[1] = 1
    axes: Annotated[tuple[HistogramAxis, ...], Field(min_length=1, max_length=1)]
    storage: HistogramStorage
    metadata: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bins(self) -> Histogram:
        axis, given = self.axes[0], len(self.storage.values)
        if axis.lower >= axis.upper:
            raise fault(("axes", 0, "upper"), f"must be above lower, {axis.lower} (is {axis.upper})")
        if given != axis.bins + 2:
            raise fault(
                ("storage", "values"), f"must have {axis.bins + 2} entries, as the axis (has {given})"
            )
        return self


def to_uhi(
    counts: NDArray[np.integer], low: float, high: float, name: str = "", label: str = ""
) -> Histogram:
    """Return a spectrum as a histogram of UHI.

    counts: int[n + 2], the first is what lies below `low`, the last what lies above `high`. name, label: of its axis,
    as `hist` shows them.
    """
    metadata = {key: text for key, text in (("name", name), ("label", label)) if text}
    return Histogram(
        axes=(HistogramAxis(lower=float(low), upper=float(high), bins=len(counts) - 2, metadata=metadata),),
        storage=HistogramStorage(values=tuple(counts.tolist())),
    )


def from_uhi(histogram: Histogram) -> tuple[NDArray[np.int64], float, float]:
    """Return counts (int64[n + 2], those outside first and last), low and high of a histogram."""
    (axis,) = histogram.axes
    return np.array(histogram.storage.values, np.int64), axis.lower, axis.upper
