"""A proxy between two ends of a link that cuts, delays and slices what passes, and can fall silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from replay_cases import LIMIT_S

CHUNK_BYTES = 65536


class Proxy:
    """Passes bytes between who connects to it and where `connect` leads, in chunks of at most `chunk` bytes.

    passed: bytes that went down, from the sender to the receiver. cut_at: at these counts of them, in rising order,
    the connections are cut. delay_s: before each chunk down. silent_at: from this count on nothing passes, on the
    connections of then. plan: called with `passed` before each chunk down; it may change all of these.
    """

    def __init__(
        self,
        listener: socket.socket,
        connect: Callable[[], socket.socket],
        cut_at: Sequence[int] = (),
        plan: Callable[[Proxy], None] = lambda _proxy: None,
    ) -> None:
        self.passed = self.cuts = self.silences = 0
        self.chunk = CHUNK_BYTES
        self.delay_s = 0.0
        self.silent_at: int | None = None
        self._cut_at = list(cut_at)
        self._plan = plan
        self._listener = listener
        self._connect = connect
        self._closed = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @classmethod
    def tcp(cls, port: int, **options: object) -> Proxy:
        """Stand before a port of this host."""
        listener = socket.create_server(("127.0.0.1", 0))
        return cls(listener, lambda: socket.create_connection(("127.0.0.1", port), LIMIT_S), **options)  # type: ignore[arg-type]

    @classmethod
    def unix(cls, path: Path, before: Path, **options: object) -> Proxy:
        """Stand at `before`, before the socket at `path`."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(before))
        listener.listen()

        def connect() -> socket.socket:
            made = socket.socket(socket.AF_UNIX)
            try:
                made.connect(str(path))
            except OSError:
                made.close()
                raise
            return made

        return cls(listener, connect, **options)  # type: ignore[arg-type]

    @property
    def endpoint(self) -> str:
        """Where a receiver of tcp connects to."""
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while not self._closed.is_set():
            try:
                receiver = self._listener.accept()[0]
            except TimeoutError:
                continue
            receiver.settimeout(None)
            try:
                sender = self._connect()
            except OSError:
                receiver.close()
                continue
            sender.settimeout(None)
            self._open += [receiver, sender]
            self._start(self._pump, receiver, sender, False)
            self._start(self._pump, sender, receiver, True)

    def _pump(self, here: socket.socket, there: socket.socket, down: bool) -> None:
        """Pass bytes one way until an end closes, or it is time for a cut."""
        with suppress(OSError), here, there:
            while data := here.recv(self.chunk):
                if down:
                    self._plan(self)
                    self._closed.wait(self.delay_s)
                    data = self._before_the_cut(data)
                if self.silent_at is not None and self.passed >= self.silent_at:
                    self.silences += down
                    continue
                there.sendall(data)
                self.passed += len(data) if down else 0
                if down and self._cut_at and self.passed >= self._cut_at[0]:
                    self._cut_at.pop(0)
                    self.cuts += 1
                    break
            for end in (here, there):
                end.shutdown(socket.SHUT_RDWR)

    def _before_the_cut(self, data: bytes) -> bytes:
        return data[: max(self._cut_at[0] - self.passed, 1)] if self._cut_at else data

    def close(self) -> None:
        """Cut all connections and take no more."""
        self._closed.set()
        while any(thread.is_alive() for thread in self._threads):
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for thread in [*self._threads]:
                thread.join(0.05)
        self._listener.close()
