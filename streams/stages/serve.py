"""Serving primitives to readers outside: `ktrig replay --to`. The protocol is in docs/protocol.md."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any, Final

import zmq

from streams import memory
from streams.exchange import SpillEnd
from streams.ledger import Account
from streams.report import Report, delivery_report, total_report
from streams.stages.play import play_spills
from streams.stages.request import Request, Watcher
from streams.stages.source import FileSource
from streams.wire.endpoint import Stopped, check_endpoint
from streams.wire.sender import READER_PATIENCE_S, Sender

FINISH_S: Final = 1.0
"""Time that the readers get to deal with what was sent when the replay is to stop."""

LINK: Final = "readers"
"""Name of the link in reports; all readers are counted together."""


def serve(request: Request, watcher: Watcher, endpoint: str, readers: int) -> Report:
    """Play the spills to `readers` readers that connect to `endpoint`; return what was delivered.

    Raises LinkError if it cannot listen there, or a reader is silent for too long.
    """
    check_endpoint(endpoint)
    context = zmq.Context()
    try:
        with closing(_Server(request, watcher, context, endpoint, readers)) as server:
            return server.run()
    finally:
        context.term()


class _Server:
    """The source and its readers."""

    def __init__(
        self, request: Request, watcher: Watcher, context: zmq.Context[Any], endpoint: str, readers: int
    ) -> None:
        self._request = request
        self._watcher = watcher
        self._asked_s: float | None = None
        self._reports: list[Report] = []
        self._sender = Sender(context, endpoint, self._finish, readers, patience_s=READER_PATIENCE_S)
        try:
            self._source = FileSource(request, check=self._check)
        except BaseException:
            self._sender.close()
            raise

    def run(self) -> Report:
        """Play all spills, or as far as the caller wants; return the report."""
        self._watcher.note(f"serving at {self._sender.endpoint}")
        try:
            self._sender.wait_for_readers()
            play_spills(
                self._source, self._sender, LINK, self._request.menu.hash, self._stop, self._delivered
            )
        except Stopped:
            self._delivered(self._source.end(interrupted=True))
        return total_report(self._reports) | {
            "endpoint": self._sender.endpoint,
            "readers": self._sender.readers,
            "peak_pss_mib": memory.peak_rss_mib(),
        }

    def _finish(self) -> bool:
        """Whether the caller wants no more; asked often."""
        if self._asked_s is None and self._watcher.stop():
            self._asked_s = time.monotonic()
        return self._asked_s is not None

    def _stop(self) -> bool:
        """Whether what was sent is to be left undelivered."""
        return self._finish() and self._asked_s is not None and time.monotonic() - self._asked_s > FINISH_S

    def _check(self) -> None:
        if self._finish():
            raise Stopped
        self._sender.service()

    def _delivered(self, end: SpillEnd) -> None:
        """Report a spill: what was sent, and what of it the readers have not dealt with."""
        start, totals = self._source.start, self._source.totals
        self._watcher.progress((start.index + 1) / len(self._request.spills))
        totals.links = {LINK: self._sender.state()}
        undelivered = sum(
            len(array)
            for message in self._sender.undelivered
            for name, array in message.arrays.items()
            if name.endswith(".words")
        )
        whole, sent = sum(start.primitives.values()), sum(totals.primitives.values())
        account = Account(
            whole,
            sent - undelivered,
            lost={"not_played": whole - sent if end.interrupted else 0, "not_delivered": undelivered},
        )
        elapsed_s = time.monotonic() - end.anchor_s
        report = delivery_report(start, end, elapsed_s, {"source": totals}, {"source": account}, 0)
        self._reports.append(report | {"primitives": totals.primitives})

    def close(self) -> None:
        """Close the file and the socket."""
        self._source.close()
        self._sender.close()
