"""What the regret benchmark runs: sites, windows, and a mix of demand and jobs that was fixed before anything was tuned on it.

Sites: ``container`` at Greensboro NC (36.1 N) and ``cabinet`` at Sand Point AK (55.3 N), the two example sites with a typical
meteorological year (TMY3 723170 and 703165). Windows: eight of four days, 45 or 46 days apart, from local midnight.

Mix. Request rates follow the week and the strays of ServeGen ``language/m-large`` (``forecasting/data/demand_shape.yaml``,
fitted by ``benchmarks/forecast_demand_shape.py``); tokens of a request are means of measured workloads:

| service | measured workload | tokens in | out |
|---|---|---|---|
| voice-agent | ServeGen language/m-small | 120 | 15 |
| document-chat | ServeGen language/m-large | 914 | 155 |
| station-assistant | ServeGen language/m-mid | 307 | 51 |

Imaging keeps the clinic's week of the site file. The data holds no batch jobs: streams, deadlines and values are those of the
site files, which were not made for this benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from sites.load import load_site
from sites.schema.site import Site

SITES = ("container", "cabinet")
DAYS = (
    date(2025, 1, 13),
    date(2025, 2, 27),
    date(2025, 4, 14),
    date(2025, 5, 29),
    date(2025, 7, 14),
    date(2025, 8, 28),
    date(2025, 10, 13),
    date(2025, 11, 27),
)
WINDOW_DAYS = 4.0
DRAIN_DAYS = 3.0
"""As long as the longest deadline."""
TOKENS = {"voice-agent": (120.0, 15.0), "document-chat": (914.0, 155.0), "station-assistant": (307.0, 51.0)}
"""Mean tokens (in, out) of a request, ServeGen."""
POLICIES = ("fifo", "rules", "cycle_charging", "greedy", "greenswitch", "planner")
TREATMENTS = {"planner_scenarios": "scenarios", "planner_expected": "expected", "planner_cautious": "cautious"}
"""The planner with each way to treat an uncertain sun, whatever the site file says."""
BOUND = "bound"
KNOWING = "knowing"
"""The planner with perfect forecasts on a plant that is as its data sheets say."""
KNOWING_BOUND = "knowing_bound"
"""The bound of that plant."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One policy in one window of one site."""

    site: str
    window: int
    policy: str

    @property
    def key(self) -> str:
        """Name in the results file."""
        return f"{self.site}/{self.window}/{self.policy}"


def cases(
    *,
    sites: tuple[str, ...] = SITES,
    windows: tuple[int, ...] = tuple(range(8)),
    names: tuple[str, ...] = (BOUND, *POLICIES, KNOWING, KNOWING_BOUND),
) -> tuple[Case, ...]:
    """Return every case, window by window, so that what is there is comparable at any time."""
    return tuple(Case(site=s, window=w, policy=p) for w in windows for s in sites for p in names)


def site_of(name: str, *, perturbed: bool = True, uncertainty: str | None = None) -> Site:
    """Return a site with the mix; ``uncertainty`` in place of what its file says."""
    site = load_site(name)
    services = tuple(
        service.model_copy(
            update={
                "request": service.request.model_copy(
                    update={"input_tokens": TOKENS[service.name][0], "output_tokens": TOKENS[service.name][1]}
                ),
                "demand": service.demand.model_copy(update={"shape": "chat"}),
            }
        )
        if service.name in TOKENS
        else service
        for service in site.services
    )
    devices = site.devices.model_copy(update={"perturbed": perturbed})
    planning = site.planning.model_copy(update={"uncertainty": uncertainty} if uncertainty else {})
    return site.model_copy(update={"services": services, "devices": devices, "planning": planning})


def start_utc(site: Site, window: int) -> datetime:
    """Return local midnight of a window's first day."""
    midnight = datetime.combine(DAYS[window], time(), tzinfo=ZoneInfo(site.location.time_zone))
    return midnight.astimezone(UTC)
