"""The documents: their links lead somewhere, and the numbers they share with the tests are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_line_rates import TOY_KHZ

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
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in text.splitlines() if line[:1] == "|"]
    assert {name: float(toy.replace(",", "")) for name, toy in rows[2:]} == TOY_KHZ


def test_the_protocol_shows_the_reader_that_is_tested() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert shown == [(ROOT / "docs" / "reader.py").read_text(encoding="utf-8")]
