"""Memory that is free, given back to the system: a daemon that runs for months on a small machine would keep what a night's
work once needed. Only glibc has a call for it (``malloc_trim``, malloc_trim(3)); elsewhere nothing happens."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> bool:
    """Give free memory back; returns whether there was any, and a way to."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):  # another C library
        return False
