"""The plant's and the rules' scalar functions, compiled as they stand.

``compiled(f)`` returns a numba dispatcher made from the very code object of ``f``; functions that ``f`` calls
by name, if they too belong to ``sites.plant`` or ``optimizer.rules``, are compiled first and put in their
place. There is no second source of physics.

Arithmetic: NaN and infinities never occur in a kernel (inputs are checked before), so the compiler may drop the terms
of parts that are switched off; sums are never reordered and products never fused with sums, so results do not depend on
how designs are cut into blocks, nor on the processor.

Machine code is kept between runs in the user's cache folder, under a name made from the text of all sources: numba alone
would not notice that a function which was compiled *into* a kernel has changed.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numba

FAST_MATH = {"nnan", "ninf", "nsz", "arcp"}
SOURCES = ("sites.plant", "optimizer.rules")

ROOT = Path(__file__).resolve().parents[2]

_done: dict[Callable[..., Any], Any] = {}


def cache_folder(sources: Iterable[Path], home: Path) -> Path | None:
    """Return the folder for machine code made from ``sources``, or None where none can be written."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(sources):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    folder = home / "offgrid-mdc" / "kernels" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _keeps() -> bool:
    """Point numba's cache to this program's folder; return whether there is one."""
    sources = [
        path for name in ("sites/plant", "optimizer/rules", "optimizer/sizing") for path in ROOT.glob(f"{name}/*.py")
    ]
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return False
    folder = cache_folder(sources, home)
    if folder is not None:
        config: Any = numba.config
        config.CACHE_DIR = str(folder)
    return folder is not None


kernel = numba.njit(fastmath=FAST_MATH, error_model="numpy", nogil=True, boundscheck=False, cache=_keeps())
"""Compiles what Python calls; kept between runs."""
kernel_part = numba.njit(fastmath=FAST_MATH, error_model="numpy", boundscheck=False, forceinline=True)
"""Compiles what becomes a part of a kernel."""


def compiled(function: Callable[..., Any]) -> Any:
    """Return ``function`` compiled by numba, the functions it calls included."""
    if function in _done:
        return _done[function]
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        called = names.get(name)
        if inspect.isfunction(called) and called.__module__.startswith(SOURCES):
            names[name] = compiled(called)
    copy = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    _done[function] = kernel_part(copy)
    return _done[function]
