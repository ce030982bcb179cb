"""``python -m controller.daemon.tied MODULE ARGUMENTS...``: runs a module that must not outlive its parent.

A daemon that is killed outright cannot stop its children; the kernel does it: the child asks for SIGTERM at
its parent's death (``prctl(PR_SET_PDEATHSIG)``, Linux). Elsewhere the module simply runs.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tied(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a module as a child that does not outlive this process."""
    return [sys.executable, "-m", "controller.daemon.tied", str(os.getpid()), module, *arguments]


def tie_to_parent(parent_pid: int) -> None:
    """Ask for SIGTERM when the parent dies; leave at once if it has died already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Tie this process to the parent whose id is given first, then run the module named next."""
    parent_pid, module = int(arguments[0]), arguments[1]
    sys.argv = arguments[1:]
    tie_to_parent(parent_pid)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
