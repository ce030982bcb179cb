"""GPUs on the command line: the privileged helper, and limits given back to their default."""

from __future__ import annotations

import os
import pwd
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import SiteArgument, say, write
from sites.errors import InputError

if TYPE_CHECKING:
    from controller.devices.compute.gpu_helper import GpuHelper, GpuTlsHelper, HeldGpus
    from controller.devices.compute.gpu_power import LimitOutcome
    from sites.schema.computing import GpuAccess
    from sites.schema.site import Site


def helper(
    site: SiteArgument,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="Pool of devices.compute.gpus whose GPUs it holds.")],
    user: Annotated[
        list[str] | None, typer.Option(help="User it serves: the daemon's, and who may release. Repeatable.")
    ] = None,
    listen: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Serve a daemon on another host, over TLS, instead of users of this."),
    ] = "",
    certificates: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --listen: ca.pem, cert.pem and key.pem of this host.")
    ] = None,
    min_w: Annotated[float, typer.Option(min=0, help="Lowest limit it sets; 0 = the driver's.")] = 0.0,
    max_w: Annotated[float, typer.Option(min=0, help="Highest limit it sets; 0 = the driver's.")] = 0.0,
) -> None:
    """Run the privileged helper: sets power limits for an unprivileged daemon, over the unix socket of the site file.

    When the daemon exits, crashes or falls silent, the safe cap is set and stays until [bold]mdc devices release[/bold].

    Example: [bold]mdc devices helper site.yaml l40s --user mdc --max-w 300[/bold]
    """
    from controller.devices.compute.gpu_helper import HeldGpus
    from controller.devices.compute.gpu_power import GpuPowerError
    from controller.devices.compute.parts import local_gpus
    from sites.load import load_site

    described = load_site(site)
    access = _access(described, pool, site)
    users = frozenset() if listen else _users(access, user or [], site)
    safe_w = next(each.safe_limit_w for each in described.pools if each.name == pool)
    try:
        gpus = local_gpus(access.driver)
    except GpuPowerError as error:
        say(f"no helper: {error}")
        raise typer.Exit(1) from None
    range_w = (min_w, max_w or float("inf")) if min_w or max_w else None
    held = HeldGpus(gpus, range_w=range_w, safe_limit_w=safe_w)
    server = _far(held, listen, certificates) if listen else _near(held, Path(access.helper[0]), users)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    held.secure()
    say(f"helper for {len(gpus)} GPUs of {pool} at {listen or access.helper[0]}; all are at the safe cap")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        held.secure()
        say("stopped; the safe cap stays")
    finally:
        server.server_close()


def _users(access: GpuAccess, user: list[str], site: str) -> frozenset[int]:
    """Return whom a helper on this host's own socket serves."""
    if len(access.helper) != 1 or access.helper[0].startswith("tls://"):
        mend = "name its socket, of one helper; or give --listen"
        raise InputError.single(source=site, field=f"{access.pool}.helper", found=", ".join(access.helper), mend=mend)
    if not user:
        raise InputError.single(source="--user", field="", found="nobody", mend="name the daemon's user")
    return frozenset({_user(each) for each in user})


def _near(held: HeldGpus, path: Path, users: frozenset[int]) -> GpuHelper:
    """Return a helper for users of this host."""
    from controller.devices.compute.gpu_helper import GpuHelper

    path.parent.mkdir(parents=True, exist_ok=True)
    server = GpuHelper(path, held, users=users)
    server.open_to(next(iter(users)))
    return server


def _far(held: HeldGpus, listen: str, certificates: Path | None) -> GpuTlsHelper:
    """Return a helper for a daemon on another host."""
    from controller.devices.compute.gpu_helper import GpuTlsHelper

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InputError.single(source="--listen", field="", found=listen, mend="write HOST:PORT")
    if certificates is None:
        mend = "name the folder of ca.pem, cert.pem and key.pem"
        raise InputError.single(source="--certificates", field="", found="nothing", mend=mend)
    try:
        return GpuTlsHelper((host, int(port)), held, certificates=certificates)
    except OSError as error:
        raise InputError.single(source="--listen", field="", found=listen, mend=str(error)) from None


def release_pool(access: GpuAccess) -> bool:
    """Give the GPUs of a pool their default limits back and say so; returns whether all took them."""
    from controller.devices.compute.gpu_keeper import release
    from controller.devices.compute.gpu_power import Applied, GpuPowerError
    from controller.devices.compute.parts import helper_lines, opened

    outcomes: list[LimitOutcome] = []
    whole = True
    for line in helper_lines(access) or (None,):
        try:
            if line is None:
                outcomes += release(opened(access, 0))
            else:
                with closing(line):
                    outcomes += line.release()
        except GpuPowerError as error:
            whole = False
            write(f"{access.pool}: not released: {error}")
    for index, outcome in enumerate(outcomes):
        write(f"{access.pool} gpu {index}: {_said(outcome)}")
    return whole and all(isinstance(outcome, Applied) for outcome in outcomes)


def _said(outcome: LimitOutcome) -> str:
    from controller.devices.compute.gpu_power import Applied

    return f"released, {outcome.enforced_w:g} W" if isinstance(outcome, Applied) else f"not released: {outcome.reason}"


def _access(described: Site, pool: str, site: str) -> GpuAccess:
    listed = {each.pool: each for each in described.devices.compute.gpus}
    if pool not in listed:
        mend = f"name one of: {', '.join(listed) or 'the site file lists no devices.compute.gpus'}"
        raise InputError.single(source=site, field="POOL", found=pool, mend=mend)
    return listed[pool]


def _user(name: str) -> int:
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise InputError.single(
            source="--user",
            field="",
            found=name,
            mend=f"name a user of this host, e.g. {pwd.getpwuid(os.getuid()).pw_name}",
        ) from None
