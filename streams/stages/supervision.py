"""A stage's line to the process that started it: small msgpack maps both ways."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

import msgpack

from streams.wire.endpoint import Stopped


class Supervisor:
    """What a stage tells its supervisor, and the orders that it gets.

    Orders: `go` (begin), `finish` (send no more blocks, settle what was sent, and end), `stop` (end at once), and
    what else a stage waits for.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._orders: dict[str, Any] = {}
        self._gone = False

    def tell(self, **what: Any) -> None:
        """Tell the supervisor something; that it is gone shows in `stopped`."""
        try:
            self._connection.send_bytes(msgpack.packb(what))
        except OSError:
            self._gone = True

    def _listen(self, timeout_s: float | None = 0.0) -> None:
        try:
            while self._connection.poll(timeout_s):
                timeout_s = 0.0
                self._orders |= msgpack.unpackb(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._gone = True

    def stopped(self) -> bool:
        """Whether the supervisor ordered a stop or is gone."""
        self._listen()
        return self._gone or "stop" in self._orders

    def finishing(self) -> bool:
        """Whether the supervisor ordered an end in good order, or a stop."""
        return self.stopped() or "finish" in self._orders

    def check(self) -> None:
        """Raise Stopped if the supervisor ordered an end of any kind."""
        if self.finishing():
            raise Stopped

    def wait_for(self, order: str) -> Any:
        """Wait for an order; return what it says. Raises Stopped if an end is ordered instead."""
        self._listen()
        while order not in self._orders:
            self._listen(None)
            self.check()
        return self._orders[order]
