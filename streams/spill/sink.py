"""The file under a spill that is being written: it keeps the first error instead of raising it.

When a write fails (a full disk, a quota) while HDF5 is closing a file, HDF5 keeps the broken file open and a
second attempt to close it ends the process. So HDF5 writes into a `Sink`, which tells it that all went well;
the writer looks at `Sink.error` and gives up in good order.
"""

from __future__ import annotations

import fcntl
import io
import os
from pathlib import Path
from typing import Any


class Sink(io.RawIOBase):
    """A new, locked, empty file. Raises OSError if it cannot be opened or someone else is writing it."""

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._position = 0
        # What lies behind a link is not ours to empty; to wait for the reader of a pipe would be for ever.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._fd = os.open(path, flags, 0o666)
        try:
            self._lock(path)
            os.ftruncate(self._fd, 0)
        except OSError:
            os.close(self._fd)
            raise

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return  # A file system without locks.
        # Between opening and locking, the file may have been renamed by the one who had it.
        if not path.exists() or os.fstat(self._fd).st_ino != path.stat().st_ino:
            raise BlockingIOError

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; like every method here, called by HDF5."""
        self._position = offset if whence == os.SEEK_SET else os.fstat(self._fd).st_size + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read what was written."""
        n = os.preadv(self._fd, [buffer], self._position)
        self._position += n
        return n

    def write(self, buffer: Any) -> int:
        """Write all of `buffer`, or keep the error."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self.error is None:
            try:
                done += os.pwrite(self._fd, view[done:], self._position + done)
            except OSError as wrong:
                self.error = wrong
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend, or keep the error."""
        wanted = self._position if size is None else size
        try:
            os.ftruncate(self._fd, wanted)
        except OSError as wrong:
            self.error = self.error or wrong
        return wanted

    def close(self) -> None:
        """Close the file and unlock it, or keep the error."""
        if self.closed:
            return
        super().close()
        try:
            os.close(self._fd)
        except OSError as wrong:
            self.error = self.error or wrong
