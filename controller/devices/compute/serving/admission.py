"""Admission at a sustained rate: a token bucket.

    tokens(t) = min(burst, tokens(t0) + rate (t - t0));   a request takes one                                  (1)

A request that finds none is told when the next one will be there. The rate is the mode's ``rate_rps``, the highest at which
the P99 promise holds: what is let in is served in time, what is not hears so at once. ``burst`` is what the mode's slots can
take up without queueing. Pure: the clock is passed in.
"""

from __future__ import annotations

from typing import NamedTuple


class Bucket(NamedTuple):
    """A token bucket at one moment."""

    rate_rps: float
    burst: float
    tokens: float
    at_s: float


def opened(rate_rps: float, burst: float, at_s: float) -> Bucket:
    """Return a full bucket."""
    return Bucket(max(rate_rps, 0.0), max(burst, 1.0), max(burst, 1.0), at_s)


def changed(bucket: Bucket, rate_rps: float, burst: float, at_s: float) -> Bucket:
    """Return the bucket at another rate; tokens are kept as far as they fit."""
    now = filled(bucket, at_s)
    most = max(burst, 1.0)
    return Bucket(max(rate_rps, 0.0), most, min(now.tokens, most), at_s)


def filled(bucket: Bucket, at_s: float) -> Bucket:
    """Return (1) without a request; a clock that goes back adds nothing."""
    elapsed_s = max(at_s - bucket.at_s, 0.0)
    return bucket._replace(
        tokens=min(bucket.burst, bucket.tokens + bucket.rate_rps * elapsed_s), at_s=max(at_s, bucket.at_s)
    )


def admitted(bucket: Bucket, at_s: float) -> tuple[Bucket, float]:
    """Return the bucket after a request, and the seconds after which it may come again; 0 = it is let in."""
    now = filled(bucket, at_s)
    if now.tokens >= 1.0 - 1e-9:
        return now._replace(tokens=max(now.tokens - 1.0, 0.0)), 0.0
    if now.rate_rps <= 0.0:
        return now, 60.0
    return now, (1.0 - now.tokens) / now.rate_rps
