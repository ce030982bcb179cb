"""The simulated site behind the device port: hosts, jobs, services, shedding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.capability import capability
from controller.devices.simulated import SimulatedSite
from controller.setpoints import JobCommand, ServiceCommand, Setpoints, Verdict
from optimizer.problem import JobProblem, PoolSpeed
from sites.load import load_site
from sites.series import TimeSeries
from sites.world import World

START = datetime(2025, 1, 1, tzinfo=UTC)
SITE = load_site("container")
WORK = capability(SITE)


def site(pv_kw: float = 0.0, rate_rps: float = 50.0, soc_frac: float = 0.6) -> SimulatedSite:
    """A container in a still world, without perturbation or noise."""

    def still(value: float) -> TimeSeries:
        return TimeSeries(start_utc=START, step_s=3600.0, values=(value,) * 48)

    rates = {service.name: still(rate_rps if service.name == "voice-agent" else 0.0) for service in SITE.services}
    world = World(pv_available_kw=still(pv_kw), outdoor_c=still(15.0), rate_rps=rates)
    made = SimulatedSite(SITE, WORK.pools, world, start_utc=START, perturb=False)
    battery = made.state.plant.battery._replace(soc_frac=soc_frac)
    made.state = type(made.state)(**{**vars(made.state), "plant": made.state.plant._replace(battery=battery)})
    return made


def job(name: str = "scan", gpus: float = 8.0) -> JobProblem:
    return JobProblem(
        name=name,
        profile="vision",
        pools=(PoolSpeed(pool="l40s", speed=1.0),),
        work_gpu_h=8.0,
        gpus_min=2.0,
        gpus_max=gpus,
        checkpoint_h=0.25,
        release_utc=START,
        deadline_utc=START + timedelta(days=1),
        value_usd=5.0,
    )


def orders(*jobs: JobCommand, nodes_on: dict[str, int] | None = None, **more: object) -> Setpoints:
    return Setpoints.model_validate(
        {"at_utc": START, "expires_utc": START + timedelta(days=2), "jobs": jobs, "nodes_on": nodes_on, **more}
    )


def command(name: str = "scan", gpus: float = 8.0, limit_w: float = 350.0, pool: str = "l40s") -> JobCommand:
    return JobCommand(name=name, pool=pool, gpus=gpus, limit_w=limit_w)


def test_a_job_at_full_power_takes_its_gpu_hours() -> None:
    made = site()
    made.submit(job())
    made.write(orders(command()))
    made.step(1800.0)
    assert made.read().jobs[0].done_frac == pytest.approx(0.5)
    made.step(1800.0)
    assert made.read().jobs[0].state == "done"


def test_a_pause_costs_the_checkpoint() -> None:
    made = site()
    made.submit(job())
    for order in (orders(command()), orders(), orders(command())):
        made.write(order)
        made.step(1800.0)
    assert made.read().jobs[0].done_frac == pytest.approx(0.5 + 0.25)


def test_a_lower_limit_does_less_and_draws_less() -> None:
    draws, done = [], []
    for limit_w in (350.0, 200.0):
        made = site()
        made.submit(job())
        made.write(orders(command(limit_w=limit_w)))
        draws.append(made.step(600.0).flows.it_kw)
        done.append(made.read().jobs[0].done_frac)
    assert draws[1] < draws[0]
    assert done[1] < done[0]
    assert done[1] / done[0] > 200.0 / 350.0, "a lower limit saves more power than speed"


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (command(gpus=65.0), "has not 65 GPUs free"),
        (command(name="nobody"), "no such job"),
        (command(pool="moon"), "GPUs free"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(order: JobCommand, why: str) -> None:
    made = site()
    made.submit(job(gpus=100.0))
    outcome = made.write(orders(order))[-1]
    assert outcome.verdict is Verdict.REFUSED
    assert why in outcome.text


def test_a_gang_below_its_minimum_does_nothing() -> None:
    made = site()
    made.submit(job())
    made.write(orders(command(gpus=1.0)))
    made.step(3600.0)
    assert made.read().jobs[0].done_frac == 0.0


def test_hosts_that_are_off_draw_little_and_their_gpus_are_gone_until_they_have_booted() -> None:
    made = site()
    full_kw = made.step(60.0).flows.it_kw
    made.write(orders(nodes_on={"l40s": 0}))
    off_kw = made.step(60.0).flows.it_kw
    hosts_kw = 8 * 1.0 * 0.98 + 64 * 35.0 / 1000.0 * SITE.pools[1].wall_factor
    assert full_kw - off_kw == pytest.approx(hosts_kw)
    made.submit(job())
    assert made.write(orders(command(), nodes_on={"l40s": 8}))[-1].verdict is Verdict.REFUSED
    made.step(SITE.pools[1].boot_minutes * 60.0)
    assert made.write(orders(command()))[-1].verdict is Verdict.OWN


def test_a_service_on_hosts_that_are_off_answers_nothing() -> None:
    mode = next(mode for mode in WORK.menus["voice-agent"] if mode.pool == "h100")
    made = site(rate_rps=20.0)
    serve = (ServiceCommand(name="voice-agent", mode=mode),)
    made.write(orders(services=serve))
    assert made.step(60.0).services[0].served_rps == pytest.approx(20.0)
    made.write(orders(services=serve, nodes_on={"h100": 0}))
    assert made.step(60.0).services[0].served_rps == 0.0


def test_batch_work_is_the_first_to_go_when_power_runs_out() -> None:
    made = site(soc_frac=0.1)
    made.submit(job())
    made.write(orders(command()))
    made.state = type(made.state)(
        **{**vars(made.state), "plant": made.state.plant._replace(ups=made.state.plant.ups._replace(soc_frac=0.0))}
    )
    step = made.step(60.0)
    assert sum(step.flows.unserved_kw) > 0.0
    assert step.flows.unserved_kw[-1] == pytest.approx(step.flows.served_kw[-1] + step.flows.unserved_kw[-1])


def test_a_read_after_restart_goes_on_where_it_was() -> None:
    made = site()
    made.submit(job())
    made.write(orders(command()))
    made.step(900.0)
    again = SimulatedSite(SITE, WORK.pools, made.world, start_utc=START, perturb=False, state=made.state)
    assert again.read().jobs == made.read().jobs
    assert again.read().battery == made.read().battery.model_copy(  # type: ignore[union-attr]
        update={"power_kw": None}
    )
