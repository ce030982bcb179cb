"""From a site file to drivers: one line for each address, one device on it for each entry, one thread for each device."""

from __future__ import annotations

import time
from pathlib import Path

from controller.devices.power.driver import PowerDevice
from controller.devices.power.link import ModbusLink, parse_address
from controller.devices.power.mapped import MappedDevice
from controller.devices.power.register_map import load_map
from controller.devices.power.site_power import SitePower
from controller.devices.power.sunspec import SunSpecDevice
from controller.devices.power.sunspec_line import SunSpecLine
from controller.devices.power.watcher import Watcher
from sites.errors import InputError, InputFault
from sites.schema.equipment import Equipment
from sites.schema.site import Site


def make_device(entry: Equipment, link: ModbusLink, folder: Path | None) -> PowerDevice:
    """Return the driver of one device.

    Raises:
        InputError: its register map is not there, or wrong.
    """
    if entry.driver == "sunspec":
        return SunSpecDevice(entry.name, entry.kind, SunSpecLine(link, entry.unit), rating_kw=entry.rating_kw)
    return MappedDevice(entry.name, load_map(entry.map, folder), link, entry.unit, time.monotonic)


def make_devices(site: Site, folder: Path | None) -> dict[str, PowerDevice]:
    """Return the drivers of a site's equipment by name; nothing is connected yet.

    Raises:
        InputError: with the faults of all register maps.
    """
    faults = equipment_faults_here(site, source="site", folder=folder)
    if faults:
        raise InputError(faults)
    links: dict[str, ModbusLink] = {}
    for entry in site.devices.equipment:
        if entry.address not in links:
            waits = [each.timeout_s for each in site.devices.equipment if each.address == entry.address]
            links[entry.address] = ModbusLink(parse_address(entry.address), timeout_s=max(waits))
    return {entry.name: make_device(entry, links[entry.address], folder) for entry in site.devices.equipment}


def make_power(site: Site, folder: Path | None) -> SitePower:
    """Return the power side of a site, not yet polled."""
    devices = make_devices(site, folder)
    polls = {entry.name: entry.poll_s for entry in site.devices.equipment}
    watchers = {name: Watcher(device, poll_s=polls[name]) for name, device in devices.items()}
    return SitePower(site, site.devices.equipment, watchers)


def equipment_faults_here(site: Site, *, source: str, folder: Path | None) -> list[InputFault]:
    """Return what is wrong with lines and register maps of a site's equipment, all of it."""
    faults: list[InputFault] = []
    checked: set[str] = set()
    for index, entry in enumerate(site.devices.equipment):
        field = f"devices.equipment[{index}]"
        try:
            parse_address(entry.address)
        except ValueError as error:
            faults.append(
                InputFault(source=source, field=f"{field}.address", found=repr(entry.address), mend=str(error))
            )
        if entry.driver != "register-map":
            continue
        try:
            described = load_map(entry.map, folder)
        except InputError as error:
            faults += () if entry.map in checked else error.faults
        else:
            if described.kind is not entry.kind:
                mend = f"its map {entry.map} describes a {described.kind}"
                faults.append(InputFault(source=source, field=f"{field}.kind", found=repr(entry.kind.value), mend=mend))
        checked.add(entry.map)
    return faults
