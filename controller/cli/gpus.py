"""GPUs on the command line: the privileged helper, and limits given back to their default."""

from __future__ import annotations

import os
import pwd
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import SiteArgument, say, write
from sites.errors import InputError

if TYPE_CHECKING:
    from controller.devices.compute.gpu_power import LimitOutcome
    from sites.schema.computing import GpuAccess
    from sites.schema.site import Site


def helper(
    site: SiteArgument,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="Pool of devices.compute.gpus whose GPUs it holds.")],
    user: Annotated[list[str], typer.Option(help="User it serves: the daemon's, and who may release. Repeatable.")],
    min_w: Annotated[float, typer.Option(min=0, help="Lowest limit it sets; 0 = the driver's.")] = 0.0,
    max_w: Annotated[float, typer.Option(min=0, help="Highest limit it sets; 0 = the driver's.")] = 0.0,
) -> None:
    """Run the privileged helper: sets power limits for an unprivileged daemon, over the unix socket of the site file.

    When the daemon exits, crashes or falls silent, the safe cap is set and stays until [bold]mdc devices release[/bold].

    Example: [bold]mdc devices helper site.yaml l40s --user mdc --max-w 300[/bold]
    """
    from controller.devices.compute.gpu_helper import GpuHelper
    from controller.devices.compute.gpu_power import GpuPowerError
    from controller.devices.compute.parts import local_gpus
    from sites.load import load_site

    described = load_site(site)
    access = _access(described, pool, site)
    if not access.helper:
        raise InputError.single(source=site, field=f"{pool}.helper", found="nothing", mend="name its socket")
    users = frozenset({_user(each) for each in user})
    safe_w = next(each.safe_limit_w for each in described.pools if each.name == pool)
    try:
        gpus = local_gpus(access.driver)
    except GpuPowerError as error:
        say(f"no helper: {error}")
        raise typer.Exit(1) from None
    path = Path(access.helper)
    path.parent.mkdir(parents=True, exist_ok=True)
    range_w = (min_w, max_w or float("inf")) if min_w or max_w else None
    server = GpuHelper(path, gpus, users=users, range_w=range_w, safe_limit_w=safe_w)
    server.secure()
    server.open_to(next(iter(users)))
    say(f"helper for {len(gpus)} GPUs of {pool} at {path}; all are at the safe cap")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.secure()
    finally:
        server.server_close()


def release_pool(access: GpuAccess) -> bool:
    """Give the GPUs of a pool their default limits back and say so; returns whether all took them."""
    from controller.devices.compute.gpu_keeper import release
    from controller.devices.compute.gpu_power import Applied, GpuPowerError
    from controller.devices.compute.gpu_remote import HelperLine
    from controller.devices.compute.parts import opened

    try:
        if access.helper:
            with closing(HelperLine(Path(access.helper))) as line:
                outcomes = line.release()
        else:
            outcomes = release(opened(access))
    except GpuPowerError as error:
        write(f"{access.pool}: not released: {error}")
        return False
    for index, outcome in enumerate(outcomes):
        write(f"{access.pool} gpu {index}: {_said(outcome)}")
    return all(isinstance(outcome, Applied) for outcome in outcomes)


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
