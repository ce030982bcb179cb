"""The plant's and the rules' scalar functions, compiled as they stand.

``compiled(f)`` returns a numba dispatcher made from the very code object of ``f``; functions that ``f`` calls
by name, if they too belong to ``sites.plant`` or ``optimizer.rules``, are compiled first and put in their
place. There is no second source of physics.

Arithmetic: NaN and infinities never occur in a kernel (inputs are checked before), so the compiler may drop the terms
of parts that are switched off; sums are never reordered, so results do not depend on how designs are cut into blocks.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import numba

FAST_MATH = {"nnan", "ninf", "nsz", "arcp"}
SOURCES = ("sites.plant", "optimizer.rules")

_done: dict[Callable[..., Any], Any] = {}


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
    _done[function] = numba.njit(fastmath=FAST_MATH, error_model="numpy", forceinline=True)(copy)
    return _done[function]
