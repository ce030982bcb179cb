"""``mdc access``: who may use the console and its API."""

from __future__ import annotations

import getpass
import json
from datetime import datetime
from typing import Annotated

import typer

from controller.access.roles import SHELL, Role
from controller.cli.output import Format, FormatOption, write
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption, opened

app = typer.Typer(help="Give, list and take access to the console and its API.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Name of a person or program, as the audit trail will say it.")]
RoleOption = Annotated[Role, typer.Option("--role", help="viewer looks, operator commands, admin also gives access.")]


@app.command()
def add(
    name: NameArgument,
    role: RoleOption = Role.VIEWER,
    days: Annotated[float | None, typer.Option(help="How long it holds; until revoked if absent.")] = None,
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Give somebody a token. It is printed once and kept nowhere; the store has its digest.

    Example: [bold]mdc access add asha --role operator --days 90[/bold]
    """
    from controller.records.access import Access

    url, site_name = opened(site, store)
    with Access(url, site_name) as access:
        token = access.add(name, role, by=getpass.getuser(), by_role=SHELL, now=_now(), days=days)
    write(token)


@app.command()
def link(
    name: NameArgument,
    role: RoleOption = Role.OPERATOR,
    console: Annotated[str, typer.Option(help="Address of the console.")] = "http://127.0.0.1:8080",
    site: SiteOption = "container",
    store: StoreOption = None,
) -> None:
    """Print a link that signs a browser in once, within the hour.

    Example: [bold]mdc access link asha --role operator[/bold]
    """
    from controller.records.access import Access

    url, site_name = opened(site, store)
    with Access(url, site_name) as access:
        token = access.link(name, role, by=getpass.getuser(), by_role=SHELL, now=_now())
    write(f"{console.rstrip('/')}/enter?key={token}")


@app.command("list")
def list_tokens(site: SiteOption = "container", store: StoreOption = None, format: FormatOption = Format.TABLE) -> None:
    """List who was given access, newest first.

    Example: [bold]mdc access list[/bold]
    """
    from controller.records.access import Access

    url, site_name = opened(site, store)
    with Access(url, site_name) as access:
        tokens = access.tokens()
    if format is Format.JSON:
        write(json.dumps([token.model_dump(mode="json") for token in tokens]))
        return
    for token in tokens:
        kind = "link" if token.once else "token"
        ends = f"until {token.expires_utc:%Y-%m-%d %H:%M}Z" if token.expires_utc else "until revoked"
        state = f"revoked {token.revoked_utc:%Y-%m-%d %H:%M}Z" if token.revoked_utc else ends
        write(f"{token.name:<20} {token.role.value:<9} {kind:<5} {state}  by {token.made_by}")
    if not tokens:
        write("nobody has access: on this machine anybody may look, nobody may command")


@app.command()
def revoke(name: NameArgument, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Take every token and session of a name away, at once.

    Example: [bold]mdc access revoke asha[/bold]
    """
    from controller.records.access import Access

    url, site_name = opened(site, store)
    with Access(url, site_name) as access:
        gone = access.revoke(name, by=getpass.getuser(), by_role=SHELL, now=_now())
    write(f"revoked: {name}, {gone} token{'s' if gone > 1 else ''}")


def _now() -> datetime:
    from sites.ports import SystemClock

    return SystemClock().now_utc()
