"""Lines to and from a child process without ever blocking: a child that hangs must not hang the loop."""

from __future__ import annotations

import os
from collections.abc import Iterator

CHUNK = 1 << 16
LINE_MAX = 64 << 20
"""A child that sends a longer line is out of order."""


class LinePipe:
    """Non-blocking lines over a pair of file descriptors, which stay the caller's to close."""

    def __init__(self, *, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self._in = bytearray()
        self._out = bytearray()

    def send(self, line: str) -> None:
        """Queue a line and write as much as the pipe takes."""
        self._out += line.encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what is queued as far as the pipe takes it.

        Raises:
            OSError: the other end is gone.
        """
        while self._out:
            try:
                written = os.write(self._write_fd, memoryview(self._out)[:CHUNK])
            except BlockingIOError:
                return
            del self._out[:written]

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines that have come.

        Raises:
            EOFError: the other end is closed and every line was given out, or a line is beyond all bounds.
        """
        ended = False
        while True:
            try:
                chunk = os.read(self._read_fd, CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                ended = True
                break
            self._in += chunk
            if len(self._in) > LINE_MAX and b"\n" not in self._in:
                raise EOFError("a line beyond all bounds")
        *complete, rest = bytes(self._in).split(b"\n") if b"\n" in self._in else (bytes(self._in),)
        self._in = bytearray(rest)
        yield from complete
        if ended:
            raise EOFError("the other end is closed")
