"""The whole site file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sites.errors import InputFault, shorten
from sites.schema.base import Name, Section
from sites.schema.computing import computing_faults
from sites.schema.energy import Battery, Bus, Genset, Pv, Tank, Ups
from sites.schema.equipment import equipment_faults
from sites.schema.mqtt import Mqtt
from sites.schema.place import Cooling, Devices, Location, Planning, Prices, Reports, Store, Tier, Weather
from sites.schema.workload import BatchStream, Chain, Pool, Service

SITE_SCHEMA_VERSION = 1


class Site(Section):
    """A micro data center: where it is, what it has, what it serves, what things cost."""

    version: Literal[1]
    """Version of this schema."""
    name: Name
    """Name of the site, in the store and on every page."""
    description: str = ""
    """A line about it for people."""
    location: Location
    weather: Weather
    pv: Pv | None = None
    battery: Battery | None = None
    gensets: tuple[Genset, ...] = ()
    tank: Tank | None = None
    ups: Ups | None = None
    bus: Bus
    cooling: Cooling
    tiers: tuple[Tier, ...] = ()
    pools: tuple[Pool, ...] = ()
    services: tuple[Service, ...] = ()
    chains: tuple[Chain, ...] = ()
    """Services under one budget."""
    batch: tuple[BatchStream, ...] = ()
    prices: Prices = Field(default=Prices())
    planning: Planning = Field(default=Planning())
    devices: Devices = Field(default=Devices())
    mqtt: Mqtt | None = None
    store: Store = Field(default=Store())
    reports: Reports = Field(default=Reports())

    def cross_faults(self, source: str) -> Iterator[InputFault]:
        """Yield what no single section can see: parts that need others. (Names are checked in ``sites.names``.)"""
        if self.gensets and self.tank is None:
            yield InputFault(source=source, field="tank", found="nothing", mend="gensets need a tank section")
        if self.pv is None and not self.gensets:
            yield InputFault(
                source=source,
                field="pv",
                found="nothing",
                mend="describe pv or gensets: a site needs a source",
            )
        if self.battery is None and not self.gensets:
            yield InputFault(
                source=source,
                field="battery",
                found="nothing",
                mend="describe a battery or a genset: something has to form the grid",
            )
        flags = [tier.critical for tier in self.tiers]
        if flags != sorted(flags, reverse=True):
            yield InputFault(
                source=source,
                field="tiers",
                found=shorten(flags),
                mend="put critical tiers first: the list is shed from its end",
            )
        yield from equipment_faults(
            self.devices.equipment,
            self.devices.nodes,
            gensets=tuple(genset.name for genset in self.gensets),
            pools={pool.name: pool.nodes for pool in self.pools},
            source=source,
        )
        cut = [pool.name for pool in self.pools if pool.mig_parts > 1]
        yield from computing_faults(
            self.devices.compute,
            pools={pool.name: pool.nodes for pool in self.pools},
            services=tuple(service.name for service in self.services),
            cut={each.name: name for name in cut for each in self.services if name in each.pools},
            source=source,
        )
        for index, pool in enumerate(self.pools):
            if pool.mig_parts > 1 and pool.interconnect != "pcie":
                mend = f"leave it out: GPUs in {pool.mig_parts} parts cannot talk to each other; or set mig_parts to 1"
                field = f"pools[{index}].interconnect"
                yield InputFault(source=source, field=field, found=pool.interconnect, mend=mend)
        islands = {pool.name: pool.island_gpus for pool in self.pools}
        for index, stream in enumerate(self.batch):
            sizes = [islands[share.pool] for share in stream.pools if share.pool in islands]
            if sizes and stream.group_gpus > max(sizes):
                mend = f"the largest NVLink island of its pools has {max(sizes)}; see pools: interconnect, mig_parts"
                field = f"batch[{index}].group_gpus"
                yield InputFault(source=source, field=field, found=shorten(stream.group_gpus), mend=mend)
        for index, pool in enumerate(self.pools):
            for job_index, stream in enumerate(self.batch):
                shares = [share for share in stream.pools if share.pool == pool.name]
                if shares and stream.gpus_min > pool.gpus:
                    yield InputFault(
                        source=source,
                        field=f"batch[{job_index}].gpus_min",
                        found=shorten(stream.gpus_min),
                        mend=f"pool {pool.name} (pools[{index}]) has {pool.gpus} GPUs",
                    )
