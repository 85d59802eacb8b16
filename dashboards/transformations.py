"""Steps by which Grafana makes of the answer to a query the table that a panel draws."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

HIDDEN: Final = ""
"""Name of a value that a table does not show."""


def joined(label: str, names: list[str], texts: tuple[str, ...] = ()) -> list[DataTransformerConfig]:
    """Put tables side by side, their rows matched by a label, and call their values by names."""
    if len(names) == 1:
        return [keep(label, *texts, "Value"), rename({"Value": names[0]})]
    values = {
        f"Value #{ref}": name for ref, name in zip(ascii_uppercase, names, strict=False) if name != HIDDEN
    }
    return [
        DataTransformerConfig("joinByField", options={"byField": label, "mode": "outer"}),
        keep(label, *values, *texts),
        rename(values),
    ]


def keep(*fields: str) -> DataTransformerConfig:
    """Drop all other fields."""
    return DataTransformerConfig("filterFieldsByName", options={"include": {"names": [*fields]}})


def rename(names: dict[str, str]) -> DataTransformerConfig:
    """Call fields by other names."""
    options = {"renameByName": names, "excludeByName": {}, "indexByName": {}}
    return DataTransformerConfig("organize", options=options)


def convert(field: str, kind: str) -> DataTransformerConfig:
    """Make text numbers, or numbers text."""
    conversions = [{"targetField": field, "destinationType": kind}]
    return DataTransformerConfig("convertFieldType", options={"fields": {}, "conversions": conversions})


def sort(field: str) -> DataTransformerConfig:
    """Put rows in the order of a field."""
    return DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": field}]})


def matrix(row: str, column: str) -> DataTransformerConfig:
    """Put the values of one label below each other, of another side by side; the first field is `row\\column`."""
    options = {"columnField": column, "rowField": row, "valueField": "Value", "emptyValue": "null"}
    return DataTransformerConfig("groupingToMatrix", options=options)


def reduced() -> DataTransformerConfig:
    """Make a row of each field: its name, `Field`, and its last value, `Last *`."""
    return DataTransformerConfig("reduce", options={"mode": "seriesToRows", "reducers": ["lastNotNull"]})
