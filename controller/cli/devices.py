"""``mdc devices``: talks to the equipment of a site file from a terminal, one device at a time, without the daemon.

``probe`` and ``watch`` only read. ``write`` writes one order and reads it back; a daemon that runs on the same site
sets it back in its next cycle. ``release`` gives back what was taken: ceilings and caps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import gpus
from controller.cli.output import Format, FormatOption, SiteArgument, say, write

if TYPE_CHECKING:
    from controller.devices.power.driver import PowerDevice
    from controller.devices.power.signals import Value, Values
    from sites.schema.site import Site

app = typer.Typer(help="Find, read, watch, write and release the equipment of a site.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Device of the site file.")]


@contextmanager
def _devices(site: str, names: tuple[str, ...] = ()) -> Iterator[tuple[Site, dict[str, PowerDevice]]]:
    """Give the site and the drivers of its equipment, or of some of it; hang up after."""
    from controller.devices.power.assemble import make_devices
    from sites.errors import InputError
    from sites.load import find_site, load_site

    described, folder = load_site(site), find_site(site).parent
    devices = make_devices(described, folder)
    unknown = [name for name in names if name not in devices]
    if unknown or not devices:
        known = ", ".join(devices) or "the site file lists no devices.equipment"
        raise InputError.single(source=site, field="NAME", found=", ".join(unknown), mend=f"devices: {known}")
    chosen = {name: device for name, device in devices.items() if not names or name in names}
    try:
        yield described, chosen
    finally:
        for device in devices.values():
            device.close()


@app.command()
def probe(
    site: SiteArgument,
    name: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Devices; all if absent.")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Ask every device once: whether it answers, what it is, what it tells.

    Example: [bold]mdc devices probe site.yaml[/bold]
    """
    found = []
    with _devices(site, tuple(name or ())) as (described, devices):
        by_frequency = described.pv is not None and described.pv.curtailment == "frequency-shift"
        for device in devices.values():
            found.append(_probed(device, by_frequency=by_frequency))
    if format is Format.JSON:
        write(json.dumps(found, indent=2))
    else:
        for each in found:
            write(_line(each))
    if any(each["trouble"] for each in found):
        raise typer.Exit(1)


def _probed(device: PowerDevice, *, by_frequency: bool) -> dict[str, object]:
    from controller.devices.power.driver import DeviceLostError, DeviceRefusedError
    from controller.devices.power.sunspec import SunSpecDevice
    from controller.devices.power.sunspec_settings import curves, enter_service, ports, setting_warnings

    told: dict[str, object] = {"name": device.name, "kind": device.kind.value, "trouble": "", "values": {}}
    try:
        if isinstance(device, SunSpecDevice):
            told["models"] = {str(each.id): each.name for each in device.line.scan()}
        told["values"] = dict(device.read(whole=True))
        told["orders"] = sorted(device.orders)
        if isinstance(device, SunSpecDevice):
            service = enter_service(device.line)
            told["enter_service"] = [service._asdict()] if service else []
            told["settings"] = [each._asdict() for each in curves(device.line)]
            told["dc_ports"] = [each._asdict() for each in ports(device.line)]
            told["warnings"] = list(setting_warnings(device.line, device.kind, by_frequency=by_frequency))
    except (DeviceLostError, DeviceRefusedError) as error:
        told["trouble"] = str(error)
    return told


def _line(told: dict[str, object]) -> str:
    if told["trouble"]:
        return f"{told['name']} ({told['kind']}): {told['trouble']}"
    values = told["values"]
    assert isinstance(values, dict)
    models = told.get("models")
    lines = [f"{told['name']} ({told['kind']})" + (f", SunSpec models {', '.join(models)}" if models else "")]  # type: ignore[arg-type]
    lines += [f"  {signal:<20} {_shown(value)}" for signal, value in sorted(values.items())]
    for name, show in (
        ("enter_service", _shown_service),
        ("settings", _shown_curve),
        ("dc_ports", _shown_port),
        ("warnings", "  note: {}".format),
    ):
        listed = told.get(name, [])
        assert isinstance(listed, list)
        lines += [show(each) for each in listed]
    return "\n".join(lines)


def _shown_service(service: dict[str, Any]) -> str:
    ranges = [(service["volts_percent"], "% V"), (service["hertz"], "Hz")]
    told = [f"{low:g}..{high:g} {unit}" for (low, high), unit in ranges if low is not None and high is not None]
    after = [] if service["delay_s"] is None else [f"after {service['delay_s']:g} s"]
    return f"  703 {'enter service':<22} {'on' if service['allowed'] else 'off':<4} {', '.join([*told, *after])}"


def _shown_curve(curve: dict[str, Any]) -> str:
    x, y = curve["units"]
    points = ", ".join(f"{at:g} {x}: {value:g} {y}" for at, value in curve["points"])
    return f"  {curve['model']} {curve['name']:<22} {'on' if curve['enabled'] else 'off':<4} {points}"


def _shown_port(port: dict[str, Any]) -> str:
    units = {"power_kw": "kW", "voltage_v": "V", "current_a": "A", "temperature_c": "C"}
    told = ", ".join(f"{port[name]:.6g} {unit}" for name, unit in units.items() if port[name] is not None)
    return f"  714 DC port, {port['type']}: {port['state']}{', ALARM' if port['alarm'] else ''}, {told}"


def _shown(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


@app.command()
def discover(
    address: Annotated[str, typer.Argument(help="Line: tcp://HOST:PORT or rtu:///dev/ttyUSB0?baud=9600.")],
    units: Annotated[str, typer.Option(help="Unit ids to try, e.g. 1-16 or 1,3,126.")] = "1-8",
    timeout_s: Annotated[float, typer.Option(min=0.05, max=30, help="How long each is waited for.")] = 0.5,
    format: FormatOption = Format.TABLE,
) -> None:
    """Look for SunSpec devices on a line.

    Example: [bold]mdc devices discover tcp://192.168.1.40:502 --units 1-16[/bold]
    """
    from controller.devices.power.driver import DeviceLostError, DeviceRefusedError
    from controller.devices.power.link import ModbusLink, parse_address
    from controller.devices.power.sunspec_line import SunSpecLine
    from sites.errors import InputError

    try:
        link = ModbusLink(parse_address(address), timeout_s=timeout_s)
    except ValueError as error:
        raise InputError.single(source="ADDRESS", field="", found=address, mend=str(error)) from None
    found: list[dict[str, object]] = []
    for unit in _units(units):
        try:
            models = {str(each.id): each.name for each in SunSpecLine(link, unit).scan()}
        except (DeviceLostError, DeviceRefusedError) as error:
            say(f"unit {unit}: {error}")
            continue
        found.append({"unit": unit, "models": models})
    link.close()
    if format is Format.JSON:
        write(json.dumps(found, indent=2))
        return
    for each in found:
        write(f"unit {each['unit']}: SunSpec models {', '.join(each['models'])}")  # type: ignore[arg-type]


def _units(text: str) -> list[int]:
    from sites.errors import InputError

    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or int(last or first) > 247:
            raise InputError.single(source="--units", field="", found=text, mend="write 1-16 or 1,3,126")
        found += range(int(first), int(last or first) + 1)
    return found


@app.command()
def watch(
    site: SiteArgument,
    name: NameArgument,
    every_s: Annotated[float, typer.Option("--every", min=0.1, max=3600, help="Seconds between two readings.")] = 1.0,
    count: Annotated[int, typer.Option(min=0, help="Readings; 0 = until stopped.")] = 0,
) -> None:
    """Read one device again and again; one JSON line a reading.

    Example: [bold]mdc devices watch site.yaml genset-1 --every 5[/bold]
    """
    from controller.devices.power.driver import DeviceLostError
    from sites.ports import SystemClock

    clock, done = SystemClock(), 0
    with _devices(site, (name,)) as (_, devices):
        while True:
            began_s, trouble = clock.monotonic_s(), ""
            values: Values = {}
            try:
                values = devices[name].read()
            except DeviceLostError as error:
                trouble = str(error)
            took_s = round(clock.monotonic_s() - began_s, 4)
            write(json.dumps({"at": clock.now_utc().isoformat(), "took_s": took_s, "trouble": trouble, **values}))
            done += 1
            if done == count:
                return
            clock.sleep(every_s)


@app.command("write")
def write_order(
    site: SiteArgument,
    name: NameArgument,
    order: Annotated[str, typer.Argument(help="Order, e.g. limit_kw, run, setpoint_c; probe lists them.")],
    value: Annotated[str, typer.Argument(help="A number in the order's unit, or on and off.")],
) -> None:
    """Write one order to one device and read it back. Whoever runs the site may set it back.

    Example: [bold]mdc devices write site.yaml pv-a limit_kw 50[/bold]
    """
    from controller.devices.power.driver import DeviceLostError, DeviceRefusedError
    from sites.errors import InputError

    states = {"on": True, "true": True, "off": False, "false": False}
    try:
        asked = states[value.lower()] if value.lower() in states else float(value)
    except ValueError:
        raise InputError.single(source="VALUE", field="", found=value, mend="write a number, on or off") from None
    with _devices(site, (name,)) as (_, devices):
        try:
            found = devices[name].write(order, asked)
        except (DeviceLostError, DeviceRefusedError) as error:
            say(f"not written: {error}")
            raise typer.Exit(1) from None
    shown = "nothing to read back" if found.value is None else f"reads back {_shown(found.value)}"
    write(f"{name} {order} = {_shown(asked)}: {shown}{'' if found.same else ', which is something else'}")
    if not found.same:
        raise typer.Exit(1)


@app.command()
def release(
    site: SiteArgument,
    name: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Devices; all if absent.")] = None,
) -> None:
    """Give back what was taken: power ceilings of inverters, set values with a safe one, default limits of GPU pools.

    Example: [bold]mdc devices release site.yaml[/bold]
    """
    from sites.load import load_site

    described = load_site(site).devices
    pools = [each for each in described.compute.gpus if not name or each.pool in name]
    others = tuple(each for each in name or () if each not in {access.pool for access in pools})
    done = [gpus.release_pool(access) for access in pools]
    if others or not pools or (described.equipment and not name):
        done.append(_release_equipment(site, others))
    if not all(done):
        raise typer.Exit(1)


def _release_equipment(site: str, names: tuple[str, ...]) -> bool:
    """Release power equipment and say so; returns whether all of it answered."""
    from controller.devices.power.driver import DeviceLostError, DeviceRefusedError

    done = True
    with _devices(site, names) as (_, devices):
        for device in devices.values():
            try:
                device.release()
            except (DeviceLostError, DeviceRefusedError) as error:
                done = False
                write(f"{device.name}: not released: {error}")
            else:
                write(f"{device.name}: released")
    return done


app.command("helper")(gpus.helper)
