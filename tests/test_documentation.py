"""The documents: their links lead somewhere, and the numbers they share with the tests are the same."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_line_rates import TOY_KHZ

import streams.spill.validate  # noqa: F401 - its import registers all checks
from streams.spill import layout
from streams.spill.problem import checks
from streams.spill.reader import SpillReader
from trigger.clock import LSB_NS
from trigger.records import KINDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (document.parent / link).is_file(), link


def test_the_readme_links_every_document() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"](docs/{path.name})" in readme for path in DOCUMENTS[1:])


def test_the_table_of_line_rates_has_the_toy_of_the_tests() -> None:
    text = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    lines = text[text.index("| line | toy |") :].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines]
    assert {name: float(toy.replace(",", "")) for name, toy in rows} == TOY_KHZ


SPILL_FILE = (ROOT / "docs" / "spill-file.md").read_text(encoding="utf-8")


def table(header: str) -> list[list[str]]:
    """The rows of the table of docs/spill-file.md that begins with `header`, as cells without quotes."""
    rows = SPILL_FILE[SPILL_FILE.index(f"| {header} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_checks_is_that_of_the_code() -> None:
    rows = [[check.part, check.name, check.severity, check.asks.replace("`", "")] for check in checks()]
    assert table("part") == rows


def test_the_attributes_and_arrays_of_the_spill_file_are_those_of_the_code() -> None:
    names = [name for row in table("attribute") for name in row[0].split(", ")]
    assert sorted(names) == sorted(layout.ATTRIBUTES)
    kinds = {name: (np.dtype(kind).name, str(layout.CHUNKS[name])) for name, kind in layout.COLUMNS.items()}
    assert {row[0]: (row[1], row[3]) for row in table("array")} == kinds


def test_the_records_of_the_spill_file_are_those_of_the_code() -> None:
    documented = {row[0].strip("/"): set(re.findall(r"[a-z_]+", " ".join(row[2:]))) for row in table("group")}
    assert list(documented) == list(KINDS)
    for kind, dtype in KINDS.items():
        assert set(dtype.names or ()) - {"time"} <= documented[kind], kind


def test_the_code_in_the_document_of_the_spill_file_reads_one(
    spill: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spill.parent)
    (code,) = re.findall(r"```python\n(.*?)```", SPILL_FILE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    with SpillReader(spill) as reader:
        stream = reader.read_block(0, reader.header.n_frames).streams["RICH"]
    assert (found["ids"] == stream.ids()).all()
    assert found["times_ns"] == pytest.approx(stream.times_lsb() * LSB_NS)


def test_the_checksum_is_what_the_document_of_the_spill_file_says(spill: Path) -> None:
    with h5py.File(spill) as file:
        n, rich = int(file.attrs["block_frames"]), file["primitives/RICH"]
        offsets = rich["offsets"][n : 2 * n + 1].astype("<i8")
        words = rich["words"][offsets[0] : offsets[-1]].astype("<u4")
        crc32 = zlib.crc32((offsets - offsets[0]).tobytes(), zlib.crc32(words.tobytes()))
        assert rich["crc32"][1] == crc32


def test_the_protocol_shows_the_reader_that_is_tested() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert shown == [(ROOT / "docs" / "reader.py").read_text(encoding="utf-8")]
