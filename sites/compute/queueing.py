"""How long a request takes when others come too: the P99 of the whole response, and the largest rate that
keeps it.

Slots are the servers of a queue (c of them, mean service ``S``, squared coefficient of variation ``cs2``).
Waiting:

    P(W > t) = C(c, rho) exp(-t c (1 - rho) / (K S)),   K = (ca2 + cs2) / 2    Erlang C x Allen-Cunneen   (1)

Real traffic is not Poisson: its rate itself moves, with a squared coefficient of variation ``v`` that hardly
depends on the window, so the index of dispersion over a window ``w`` is ``1 + v lambda w`` and the arrival
variability that a queue feels, over about twice the service time, is ``ca2 = 1 + 2 v lambda S = 1 + 2 v rho
c`` (2). On the Azure conversation trace v = 0.057 (index 4.0 over 10 s at 5.5 req/s).

Service is taken as lognormal. The response bound needs no independence: for any split, ``P(W + S > w + s) <=
P(W > w) + P(S > s)`` (3), so the sum of the two quantiles at levels that add up to 1 % is an upper bound of
P99; the best split of a few is used. Stages of a chain add up by the same rule.

Erlang's C by the expansion of Janssen, van Leeuwaarden and Zwart (2008), Operations Research 56(6): within 1
% down to c = 1. All functions take floats or arrays alike."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE_CV2 = 0.057
"""``v`` of (2), Azure LLM inference trace 2023, conversation; 0.054-0.070 for windows of 1-60 s."""
DISPERSION_PER_S = 0.31
"""Growth of the index of dispersion with the window, 1/s: ``v lambda`` on the same trace. Streams of independent users
keep it when they are added up, so ``v`` falls as the rate grows."""
UTILISATION_MAX = 0.95
"""No queue is planned fuller than this."""
_SPLITS = (0.02, 0.1, 0.3, 0.6)
"""Shares of the tail given to waiting in (3)."""


def rate_cv2_at(rate_rps: float) -> float:
    """Return the squared coefficient of variation of the request rate of a stream of ``rate_rps`` [1/s], at most 1."""
    return min(DISPERSION_PER_S / max(rate_rps, 1e-9), 1.0)


def normal_cdf(x: Floats) -> Floats:
    """Return the standard normal distribution function (Abramowitz and Stegun 7.1.26, error 1.5e-7)."""
    z = np.abs(x) / np.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = 0.5 * poly * np.exp(-z * z)
    return np.asarray(np.where(x >= 0.0, 1.0 - tail, tail))


def erlang_c(servers: Floats | float, utilisation: Floats | float) -> Floats:
    """Return the probability that a request waits, for ``servers`` >= 1 and ``utilisation`` in (0, 1)."""
    c = np.asarray(servers, dtype=np.float64)
    rho = np.clip(np.asarray(utilisation, dtype=np.float64), 1e-9, 1.0 - 1e-9)
    alpha = np.sqrt(np.maximum(-2.0 * c * (1.0 - rho + np.log(rho)), 0.0))
    gamma = (1.0 - rho) * np.sqrt(c)
    density = np.exp(-0.5 * alpha * alpha) / np.sqrt(2.0 * np.pi)
    mills = normal_cdf(alpha) / np.maximum(density, 1e-300)
    return np.asarray(np.clip(1.0 / (rho + gamma * (mills + 2.0 / (3.0 * np.sqrt(c)))), 0.0, 1.0))


def lognormal_quantile(mean: Floats | float, scv: Floats | float, level: float) -> Floats:
    """Return the quantile at ``level`` of a lognormal with this mean and squared coefficient of variation."""
    sigma2 = np.log1p(np.asarray(scv, dtype=np.float64))
    return np.asarray(mean, dtype=np.float64) * np.exp(-0.5 * sigma2 + NormalDist().inv_cdf(level) * np.sqrt(sigma2))


def wait_quantile_s(
    slots: Floats | float,
    service_s: Floats | float,
    service_scv: Floats | float,
    utilisation: Floats | float,
    tail: float,
    rate_cv2: float = RATE_CV2,
) -> Floats:
    """Return the waiting time [s] exceeded with probability ``tail`` (1), (2)."""
    c, s, rho = np.asarray(slots, dtype=np.float64), np.asarray(service_s, dtype=np.float64), np.asarray(utilisation)
    factor = 0.5 * (1.0 + 2.0 * rate_cv2 * rho * c + service_scv)
    waits = erlang_c(c, rho)
    decay_s = factor * s / (c * np.maximum(1.0 - rho, 1e-9))
    return np.maximum(np.log(np.maximum(waits, 1e-300) / tail), 0.0) * decay_s


def response_bound_s(
    slots: Floats | float,
    service_s: Floats | float,
    service_scv: Floats | float,
    utilisation: Floats | float,
    tail: float = 0.01,
    rate_cv2: float = RATE_CV2,
) -> Floats:
    """Return an upper bound of the response time [s] exceeded with probability ``tail`` (3)."""
    best: Floats | None = None
    for share in _SPLITS:
        wait = wait_quantile_s(slots, service_s, service_scv, utilisation, tail * share, rate_cv2)
        bound = wait + lognormal_quantile(service_s, service_scv, 1.0 - tail * (1.0 - share))
        best = bound if best is None else np.minimum(best, bound)
    assert best is not None
    return best


def sustained_rate_rps(
    slots: Floats | float,
    service_s: Floats | float,
    service_scv: Floats | float,
    budget_s: float,
    tail: float = 0.01,
    rate_cv2: float = RATE_CV2,
    steps: int = 12,
) -> Floats:
    """Return the largest request rate [1/s] whose response bound keeps ``budget_s`` [s]; 0 where none
    does."""
    c, s = np.broadcast_arrays(np.asarray(slots, dtype=np.float64), np.asarray(service_s, dtype=np.float64))
    low, high = np.zeros(c.shape), np.full(c.shape, UTILISATION_MAX)
    for _ in range(steps):
        middle = 0.5 * (low + high)
        keeps = response_bound_s(c, s, service_scv, middle, tail, rate_cv2) <= budget_s
        low, high = np.where(keeps, middle, low), np.where(keeps, high, middle)
    return np.asarray(low * c / s)
