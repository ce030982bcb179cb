"""How long a request takes when others come too: the P99 of the whole response, and the largest rate that keeps it.

Slots are the servers of a first-come queue: ``c`` of them, mean service ``S``, squared coefficient of variation
``cs2``. The wait of a request is independent of its own service, so with a lognormal service time

    P(W + S > t) = P(S > t) + integral over s < t of P(W > t - s) dF(s)                                    (1)
    P(W > t) = C(c, rho) exp(-t c (1 - rho) / (K S)),  K = (ca2 + cs2) / 2    Erlang C x Allen-Cunneen     (2)

The integral is taken over bins of the service time with the latest point of each: an upper bound.

Real traffic is not Poisson: its rate itself moves, with a squared coefficient of variation ``v(w)`` over a window
``w``. Swings shorter than about twice the service time make the arrivals burstier, ``ca2 = a + 2 v S lambda`` (3),
the index of dispersion over that window (``a`` = 1 for independent requests, less for those that come on a clock).
Longer ones the queue follows as if each lasted: the budget has to hold at the rate ``lambda (1 + z sqrt(v))`` (4) of
a strong swing. A budget of minutes rides out what a budget of seconds can not, so ``v`` is taken at the window of the
budget. On the Azure conversation trace v falls from 0.053 (10 s) to 0.023 (10 min); z = 1.8 keeps the promise in its
replay (``python -m benchmarks.queueing``).

Where the budget leaves little above the service time, answers late by their length alone, ``P(S > t)``, may fill the
tail in every window. The lognormal is on the safe side there: its P99 is 3.2 times the mean where the trace has 2.5.

Erlang's C by the expansion of Janssen, van Leeuwaarden and Zwart (2008), Operations Research 56(6): within 4 % from
two servers on, too high rather than too low; one server is exact. All functions take floats or arrays alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Number = Floats | float
Bursts = float | Callable[[Floats], Floats]
"""``v`` of a stream of requests: one number, or a function of its mean rate [1/s] (``sites.compute.bursts``)."""

RATE_CV2 = 0.057
"""``v`` of (3) over windows of seconds, Azure LLM inference trace 2023, conversation."""
SWING_WINDOW_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
SWING_SHARE = (0.93, 0.83, 0.79, 0.75, 0.57, 0.40)
"""``v(w) / RATE_CV2`` on the same trace, for the windows above."""
SWING_Z = 1.8
"""``z`` of (4)."""
UTILISATION_MAX = 0.95
"""No queue is planned fuller than this, swings included."""
_LEVELS = np.array((0.0, 0.4, 0.7, 0.9, 0.96, 0.985, 0.993, 0.998))
_NORMAL = np.array([NormalDist().inv_cdf(level) for level in (*_LEVELS[1:], 0.9999)])


def normal_cdf(x: Number) -> Floats:
    """Return the standard normal distribution function (Abramowitz and Stegun 7.1.26, error 1.5e-7)."""
    at = np.asarray(x, dtype=np.float64)
    z = np.abs(at) * np.sqrt(0.5)
    t = 1.0 / (1.0 + 0.3275911 * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = 0.5 * poly * np.exp(-z * z)
    return np.asarray(np.where(at >= 0.0, 1.0 - tail, tail))


def erlang_c(servers: Number, utilisation: Number) -> Floats:
    """Return the probability that a request waits, for ``servers`` >= 1 and ``utilisation`` in (0, 1)."""
    c = np.asarray(servers, dtype=np.float64)
    rho = np.clip(np.asarray(utilisation, dtype=np.float64), 1e-9, 1.0 - 1e-9)
    alpha = np.sqrt(np.maximum(-2.0 * c * (1.0 - rho + np.log(rho)), 0.0))
    gamma = (1.0 - rho) * np.sqrt(c)
    density = np.exp(-0.5 * alpha * alpha) / np.sqrt(2.0 * np.pi)
    mills = normal_cdf(alpha) / np.maximum(density, 1e-300)
    waits = np.clip(1.0 / (rho + gamma * (mills + 2.0 / (3.0 * np.sqrt(c)))), 0.0, 1.0)
    return np.asarray(np.where(c < 1.5, rho, waits))


def swing_cv2(budget_s: Number, rate_cv2: Number = RATE_CV2) -> Floats:
    """Return ``v`` at the window of a budget [s] (4)."""
    window = np.log(np.maximum(np.asarray(budget_s, dtype=np.float64), 1e-6))
    return np.asarray(rate_cv2 * np.interp(window, np.log(SWING_WINDOW_S), SWING_SHARE))


def variability(rate_cv2: Bursts, rate_rps: Floats) -> Number:
    """Return ``v`` of streams of ``rate_rps`` [1/s]."""
    return rate_cv2(rate_rps) if callable(rate_cv2) else rate_cv2


class _Work(NamedTuple):
    """What the load leaves alone: the share of services over the time asked for, and bins of those below."""

    over: Floats
    mass: Floats
    """Probability of each bin, (bins, ...)."""
    slack_s: Floats
    """Time asked for less the latest point of each bin."""


def _work(service_s: Number, service_scv: Number, at_s: Number) -> _Work:
    s, t = np.asarray(service_s, dtype=np.float64), np.asarray(at_s, dtype=np.float64)
    sigma = np.sqrt(np.log1p(np.maximum(service_scv, 1e-6)))
    log_median = np.log(s) - 0.5 * sigma * sigma
    below = normal_cdf((np.log(np.maximum(t, 1e-12)) - log_median) / sigma)
    shape = (-1,) + (1,) * below.ndim
    low, high = _LEVELS.reshape(shape), np.append(_LEVELS[1:], 1.0).reshape(shape)
    latest = np.exp(log_median + _NORMAL.reshape(shape) * sigma)
    latest[-1] = t
    return _Work(1.0 - below, np.clip(below - low, 0.0, high - low), np.maximum(t - latest, 0.0))


def _tail(
    work: _Work,
    slots: Floats,
    service_s: Floats,
    service_scv: Number,
    rho: Floats,
    rate_cv2: Number,
    arrival_scv: float,
) -> Floats:
    factor = 0.5 * (arrival_scv + 2.0 * rate_cv2 * rho * slots + service_scv)
    decay = slots * np.maximum(1.0 - rho, 1e-9) / (factor * service_s)
    late = np.sum(work.mass * np.exp(-decay * work.slack_s), axis=0)
    return np.asarray(np.minimum(work.over + erlang_c(slots, rho) * late, 1.0))


def response_tail(
    slots: Number,
    service_s: Number,
    service_scv: Number,
    utilisation: Number,
    at_s: Number,
    rate_cv2: Number = RATE_CV2,
    arrival_scv: float = 1.0,
) -> Floats:
    """Return the probability, rounded up, that a response takes longer than ``at_s`` [s] (1), (2), (3)."""
    c, s = np.asarray(slots, dtype=np.float64), np.asarray(service_s, dtype=np.float64)
    rho = np.asarray(utilisation, dtype=np.float64)
    return _tail(_work(s, service_scv, at_s), c, s, service_scv, rho, rate_cv2, arrival_scv)


def response_bound_s(
    slots: Number,
    service_s: Number,
    service_scv: Number,
    utilisation: Number,
    tail: Number = 0.01,
    rate_cv2: Number = RATE_CV2,
    arrival_scv: float = 1.0,
    steps: int = 20,
) -> Floats:
    """Return an upper bound of the response time [s] exceeded with probability ``tail``, at a steady rate (1)."""
    s = np.asarray(service_s, dtype=np.float64) + 0.0 * np.asarray(slots) + 0.0 * np.asarray(utilisation)
    low, high = 0.01 * s, 1e4 * s
    for _ in range(steps):
        middle = np.sqrt(low * high)
        over = response_tail(slots, service_s, service_scv, utilisation, middle, rate_cv2, arrival_scv) > tail
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.asarray(high)


def sustained_rate_rps(
    slots: Number,
    service_s: Number,
    service_scv: Number,
    budget_s: Number,
    tail: Number = 0.01,
    rate_cv2: Bursts = RATE_CV2,
    arrival_scv: float = 1.0,
    steps: int = 9,
) -> Floats:
    """Return the largest mean request rate [1/s] that keeps ``budget_s`` [s] through the swings (4); 0 if none.

    ``rate_cv2`` is the variability of the request rate, 0 for Poisson arrivals. As a function of the rate it is taken
    at the rate found, so that a trickle is planned burstier than the busy stream it is a part of; it has to fall
    no faster than the rate rises.
    """
    c, s = np.broadcast_arrays(np.asarray(slots, dtype=np.float64), np.asarray(service_s, dtype=np.float64))
    full_rps = c / s
    share = swing_cv2(budget_s, 1.0)
    work = _work(s, service_scv, budget_s)
    low = np.zeros(c.shape)
    high = UTILISATION_MAX / _swing(share, variability(rate_cv2, UTILISATION_MAX * full_rps)) + low
    for _ in range(steps):
        middle = 0.5 * (low + high)
        v = variability(rate_cv2, middle * full_rps)
        peak = middle * _swing(share, v)
        keeps = (_tail(work, c, s, service_scv, peak, v, arrival_scv) <= tail) & (peak <= UTILISATION_MAX)
        low, high = np.where(keeps, middle, low), np.where(keeps, high, middle)
    return np.asarray(low * full_rps)


def swing_factor(budget_s: Number, rate_cv2: Number = RATE_CV2) -> Floats:
    """Return the rate of a strong swing over the mean rate, ``1 + z sqrt(v)`` (4)."""
    return _swing(swing_cv2(budget_s, 1.0), rate_cv2)


def _swing(share: Floats, rate_cv2: Number) -> Floats:
    return np.asarray(1.0 + SWING_Z * np.sqrt(share * rate_cv2))


def rate_cv2_of(counts: Sequence[int] | Floats) -> float:
    """Return the variability of a request rate from counts in equal windows, ``(var / mean - 1) / mean``, at least 0.

    Counts in windows of about twice the service time give the ``v`` of (3) of a site's own traffic.
    """
    seen = np.asarray(counts, dtype=np.float64)
    mean = float(seen.mean()) if seen.size else 0.0
    return max((float(seen.var()) / mean - 1.0) / mean, 0.0) if mean > 0.0 else 0.0
