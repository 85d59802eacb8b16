"""Problems of a spill file, and the register of the checks that find them.

A check is a small generator. `Scope.check` registers it under its own name, with what it sees, how bad its
problem is and the first line of its docstring; `ktrig validate --list` and docs/spill-file.md show these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Final, Generic, Literal, ParamSpec, get_args

from streams.spill.layout import SpillError

Severity = Literal["error", "warning"]

Part = Literal["file", "header", "spill", "detector", "block", "primitives"]
"""Part of a spill file that a check sees."""

FILE: Final = "file"
"""The place of a problem of the whole file."""

Finding = tuple[str, str, str]
"""What a check yields: the place in the file, what is wrong there, what to do about it."""

Seen = ParamSpec("Seen")


@dataclass(frozen=True)
class Problem:
    """Something wrong with a spill file: a warning does not keep it from being read."""

    check: str
    severity: Severity
    place: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = "" if self.place == FILE else f"{self.place}: "
        return f"{place}{self.what}; {self.remedy}"


class BadSpillError(SpillError):
    """A spill file that cannot be read, and the problem that it has."""

    def __init__(self, source: str, problem: Problem) -> None:
        super().__init__(source, problem)
        self.problem = problem

    def __str__(self) -> str:
        source, problem = self.args
        return f"{source}: {problem}" if source else str(problem)


def refuse(source: str, problems: Iterable[Problem]) -> None:
    """Raise BadSpillError about the file `source` for the first error; warnings pass."""
    for problem in problems:
        if problem.severity == "error":
            raise BadSpillError(source, problem)


@dataclass(frozen=True)
class Check:
    """A check: its name, the part of the file that it sees, and what it asks of it."""

    name: str
    part: Part
    severity: Severity
    asks: str


_CHECKS: Final[dict[str, Check]] = {}


def checks() -> list[Check]:
    """Return all that are registered: by part of the file, errors first, then by name."""
    parts = get_args(Part)
    return sorted(_CHECKS.values(), key=lambda check: (parts.index(check.part), check.severity, check.name))


class Scope(Generic[Seen]):
    """A part of a spill file, and the checks that see it; `Seen` is what each of them is given."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._checks: list[Callable[Seen, Iterator[Problem]]] = []

    def check(
        self, severity: Severity = "error"
    ) -> Callable[[Callable[Seen, Iterator[Finding]]], Callable[Seen, Iterator[Problem]]]:
        """Register a generator of findings; it becomes one of problems that carry its name."""

        def register(find: Callable[Seen, Iterator[Finding]]) -> Callable[Seen, Iterator[Problem]]:
            name = find.__name__
            if name in _CHECKS:
                raise ValueError(f"two checks are called {name}")
            _CHECKS[name] = Check(name, self._part, severity, (find.__doc__ or "").partition("\n")[0])

            @wraps(find)
            def problems(*args: Seen.args, **kwargs: Seen.kwargs) -> Iterator[Problem]:
                for place, what, remedy in find(*args, **kwargs):
                    yield Problem(name, severity, place, what, remedy)

            self._checks.append(problems)
            return problems

        return register

    def problems(self, *args: Seen.args, **kwargs: Seen.kwargs) -> Iterator[Problem]:
        """Make all checks of this part."""
        for find in self._checks:
            yield from find(*args, **kwargs)
