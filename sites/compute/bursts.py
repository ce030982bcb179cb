"""Burstiness of a stream of requests, by its rate.

Streams of independent users keep their index of dispersion when they are added up, so the squared coefficient of
variation ``v`` of the rate falls as the rate grows: ``v = D / lambda``. On the Azure LLM inference trace 2023,
conversation (5.5 requests a second), the index over 10 s is 4.0: D = 0.31 1/s. What all users do at once, a morning or a
sale, does not thin out like that; it belongs into the demand itself.
"""

from __future__ import annotations

import numpy as np

from sites.compute.queueing import Floats, Number

DISPERSION_PER_S = 0.31
"""``D``: growth of the index of dispersion with the window."""


def rate_cv2_at(rate_rps: Number) -> Floats:
    """Return the squared coefficient of variation of the request rate of a stream of ``rate_rps`` [1/s], at most 1."""
    return np.asarray(DISPERSION_PER_S / np.maximum(rate_rps, DISPERSION_PER_S))
