"""The servers of a service: how they are started, and which ones a serving mode needs."""

from __future__ import annotations

from typing import NamedTuple

from sites.compute.records import ServingMode


class ServiceSetup(NamedTuple):
    """How a service is served on this host."""

    name: str
    listen: str
    """Host and port of the gateway."""
    admin_port: int
    command: tuple[str, ...]
    """Starts one server; knows ``{port} {precision} {gpus} {limit_w} {speculative}``. Empty = others run the servers."""
    servers: tuple[str, ...] = ()
    """Addresses of servers that others run."""
    first_port: int = 9100
    """Ports of servers that are started here, from this one up."""
    health_path: str = "/health"
    drain_s: float = 30.0
    room_beside: bool = False
    """Whether new servers fit beside the old ones."""


class Fleet(NamedTuple):
    """A set of servers that are in the same mode."""

    key: str
    addresses: tuple[str, ...]
    jobs: tuple[str, ...]
    parity: int = 1
    """Of its ports: the next fleet takes the others, so that both may run at once."""


NONE = Fleet("", (), ())


def fleet_of(setup: ServiceSetup, running: Fleet, mode: ServingMode) -> Fleet:
    """Return the servers that a mode needs; ``running`` itself where it will do."""
    if mode.replicas == 0 or mode.gpus == 0:
        return Fleet("none", (), ())
    if not setup.command:
        return Fleet("others", setup.servers, ())
    key = f"{mode.precision}-{'spec-' if mode.speculative else ''}{mode.gpus // mode.replicas}x{mode.replicas}"
    if key == running.key:
        return running
    parity = 1 - running.parity
    ports = [setup.first_port + 2 * index + parity for index in range(mode.replicas)]
    addresses = tuple(f"http://127.0.0.1:{port}" for port in ports)
    return Fleet(key, addresses, tuple(f"{key}.{port}" for port in ports), parity)


def server_command(setup: ServiceSetup, mode: ServingMode, port: str) -> tuple[str, ...]:
    """Return the command that starts one server of a mode."""
    known = {
        "port": port,
        "precision": mode.precision,
        "gpus": str(mode.gpus // max(mode.replicas, 1)),
        "limit_w": f"{mode.limit_w:g}",
        "speculative": "yes" if mode.speculative else "no",
    }
    return tuple(filled(word, known) for word in setup.command)


def filled(word: str, known: dict[str, str]) -> str:
    """Return a word of a command with its placeholders filled in; other braces stay."""
    for name, value in known.items():
        word = word.replace("{" + name + "}", value)
    return word
