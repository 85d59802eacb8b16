"""What `ktrig verify straw` does: the compatible search for tracks against recorded events."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray

from streams.formats.golden_straw import GoldenStraw, read
from trigger.errors import KtrigError
from trigger.l1.straw.comparison import StrawAnswers, answer_events, same_answers, same_verdicts
from trigger.l1.straw.explanation import Stepper, explain

WIDTH: Final = 80
DISAGREES: Final = 1
UNREADABLE: Final = 2

VERDICT_OF_FILE: Final = 0.995
VERDICT_OF_ALL: Final = 0.999
ALL_OF_FILE: Final = 0.98
"""Least fractions of events that agree: in verdict in each file and over all files, in everything in each file."""

EXPLAINED: Final = 3
"""Disagreements of a file that are explained."""

Result = dict[str, Any]


def verify_straw(files: Sequence[str], memory: bool, as_json: bool) -> int:
    """Run golden files, print the result, return the exit code; memory: as in `search_compatible`."""
    results = []
    width = max(len(Path(file).name) for file in files)
    if not as_json:
        click.echo(f"{'file':<{width}}  events  same verdict    all the same")
    for file in files:
        result = _verified(file, memory)
        results.append(result)
        if result["error"]:
            click.echo(f"ktrig: {result['error']}", err=True)
        elif not as_json:
            _print(result, width)
    totals = _totals(results)
    if as_json:
        described = [{k: v for k, v in result.items() if k != "explanations"} for result in results]
        click.echo(json.dumps({"files": described, **totals}, indent=2))
    elif len(files) > 1:
        click.echo(_row("total", totals, width))
    if not _agree(results, totals):
        return DISAGREES
    return UNREADABLE if any(result["error"] for result in results) else 0


def _verified(file: str, memory: bool) -> Result:
    """Run one file; a file that cannot be read has no events and an error."""
    try:
        golden = read(file)
    except KtrigError as wrong:
        return _counts(file, np.zeros(0, bool), np.zeros(0, bool)) | {"error": str(wrong), "explanations": []}
    found = answer_events(golden.hits(), memory)
    all_same = same_answers(found, golden.recorded)
    return _counts(file, same_verdicts(found, golden.recorded), all_same) | {
        "error": None,
        "explanations": _explanations(golden, found, np.flatnonzero(~all_same)[:EXPLAINED], memory),
    }


def _counts(file: str, verdict: NDArray[np.bool_], everything: NDArray[np.bool_]) -> Result:
    n = len(verdict)
    return {"file": file} | _fractions(n, int(np.count_nonzero(verdict)), int(np.count_nonzero(everything)))


def _fractions(n: int, verdict: int, everything: int) -> Result:
    """Return numbers of events and fractions of them; fractions of nothing are None."""
    return {
        "events": n,
        "same_verdict": verdict,
        "same_all": everything,
        "verdict_exact": verdict / n if n else None,
        "all_exact": everything / n if n else None,
    }


def _totals(results: list[Result]) -> Result:
    return _fractions(
        *(sum(result[key] for result in results) for key in ("events", "same_verdict", "same_all"))
    )


def _agree(results: list[Result], totals: Result) -> bool:
    """Whether enough events agree in each file that could be read, and over all."""
    read_ = [result for result in results if not result["error"]]
    return all(
        result["verdict_exact"] >= VERDICT_OF_FILE and result["all_exact"] >= ALL_OF_FILE for result in read_
    ) and (not read_ or totals["verdict_exact"] >= VERDICT_OF_ALL)


def _explanations(
    golden: GoldenStraw, found: StrawAnswers, events: NDArray[np.int64], memory: bool
) -> list[tuple[str, list[str]]]:
    """Return a heading and lines of text for each of some events."""
    stepper = Stepper(golden.hits(), memory)
    return [
        (
            f"event {event} (from 0) differs in {_what(found, golden.recorded, event)}",
            explain(stepper.steps(event), found, golden.recorded, event),
        )
        for event in events.tolist()
    ]


def _what(found: StrawAnswers, recorded: StrawAnswers, event: int) -> str:
    """Name the first thing in which an event differs."""
    if found.verdict[event] != recorded.verdict[event]:
        return "its verdict"
    return "its number of tracks" if found.n_tracks[event] != recorded.n_tracks[event] else "a momentum"


def _row(name: str, counts: Result, width: int) -> str:
    verdict, everything = (
        "-" if counts[key] is None else f"{counts[key]:.5f}" for key in ("verdict_exact", "all_exact")
    )
    return (
        f"{name:<{width}}  {counts['events']:>6}  {counts['same_verdict']:>6} {verdict:<7}  "
        f"{counts['same_all']:>6} {everything:<7}"
    )


def _print(result: Result, width: int) -> None:
    click.echo(_row(Path(result["file"]).name, result, width))
    for heading, lines in result["explanations"]:
        for i, line in enumerate([heading, *lines]):
            indent = "  " if i == 0 else "    "
            for piece in textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=" " * 6):
                click.echo(piece)
