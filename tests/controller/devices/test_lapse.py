"""A dead daemon leaves safe defaults: what a site does once its orders have run out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.devices.lapse import lapsed
from controller.devices.simulated import SimulatedSite
from controller.setpoints import GensetCommand, JobCommand, Setpoints
from controller.snapshot import GensetPhase
from sites.schema.site import Site
from tests.controller.daemon.prepared import SITE, START, prepared

EXPIRY = timedelta(minutes=5)


def with_choice(choice: str) -> Site:
    gensets = tuple(each.model_copy(update={"on_lost_link": choice}) for each in SITE.gensets)
    return SITE.model_copy(update={"gensets": gensets})


def orders(run: bool) -> Setpoints:
    return Setpoints(
        at_utc=START,
        expires_utc=START + EXPIRY,
        gensets=tuple(GensetCommand(name=each.name, run=run, kw=40.0 * run) for each in SITE.gensets),
        pv_limit_kw=40.0,
        battery_limit_kw=(10.0, 10.0),
        jobs=(JobCommand(name="tune", pool=SITE.pools[0].name, gpus=4, limit_w=250.0),),
        shed_tiers=("crew-cabin",),
    )


@pytest.mark.parametrize(
    ("choice", "before", "after"),
    [
        ("start", False, True), ("start", True, True),
        ("keep", False, False), ("keep", True, True),
        ("stop", False, False), ("stop", True, False),
    ],
)  # fmt: skip
def test_gensets_do_what_their_owner_chose(choice: str, before: bool, after: bool) -> None:
    left = lapsed(orders(before), with_choice(choice))
    assert {each.run for each in left.gensets} == {after}
    assert all(0 <= each.kw <= genset.rating_kw for each, genset in zip(left.gensets, SITE.gensets, strict=True))


def test_work_pauses_and_equipment_goes_by_its_own_limits() -> None:
    left = lapsed(orders(False), SITE)
    assert left.jobs == ()
    assert left.pv_limit_kw is None
    assert left.battery_limit_kw is None
    assert left.shed_tiers == ("crew-cabin",)


def test_a_site_that_is_left_alone_lapses_at_the_expiry_and_not_before() -> None:
    world = prepared().world
    assert world is not None
    twin = SimulatedSite(with_choice("start"), prepared().pools, world.world(), start_utc=START)
    twin.write(orders(False))
    for _ in range(30):
        twin.step(10.0)
    assert all(each.phase is GensetPhase.OFF for each in twin.read().gensets)
    twin.step(10.0)
    assert all(each.phase is GensetPhase.CRANKING for each in twin.read().gensets)
