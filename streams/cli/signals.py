"""What signals do to the command line: they end it; a replay is first settled and reported."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDINGS: Final = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "the terminal is gone",
}

SIGNALLED: Final = 128
"""Exit code of a command that a signal ended, less the signal's number, as shells count."""

AGAIN_S: Final = 0.5
"""Time after which a signal that has not ended us is raised again."""

FINISH_S: Final = 1.7
"""Time that a command gets to end in good order, before it is ended all the same."""


class Ended(BaseException):
    """A signal asked us to end; not an error, so that nothing takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)


class _Wish:
    """The signal that asked for an end in good order, if one did."""

    def __init__(self) -> None:
        self.number: int | None = None


_wish: _Wish | None = None
"""While a command can end in good order."""


def take_signals() -> None:
    """Let signals end us in good order; those that our caller ignores (nohup, `&` in a script) stay ignored."""
    for number in ENDINGS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def take_no_more_signals() -> None:
    """Ignore signals from now on."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def finishing() -> Iterator[Callable[[], bool]]:
    """Give whether a signal has come; the first one ends nothing for FINISH_S, a second one ends us at once.

    If one came, Ended is raised when the context is left in good order.
    """
    global _wish
    wish = _wish = _Wish()
    try:
        yield lambda: wish.number is not None
    finally:
        _wish = None
    if wish.number is not None:
        raise Ended(wish.number)


def _end(number: int, _frame: FrameType | None) -> None:
    """Note the wish; or raise Ended, and every AGAIN_S until that ends us: a callback of a library may lose it."""
    global _wish
    if _wish is not None and _wish.number is None:
        _wish.number = number
        _raise_later(number, FINISH_S)
        return
    if _wish is None and signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0):
        return  # Another signal has begun it.
    _wish = None
    _raise_later(number, AGAIN_S)
    # What a library was about to do when we raise in it may fail in its destructors; no one wants to read that.
    sys.unraisablehook = lambda _unraisable: None
    raise Ended(number)


def _raise_later(number: int, wait_s: float) -> None:
    def again(_number: int, _frame: FrameType | None) -> None:
        raise Ended(number)

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, wait_s, AGAIN_S)
