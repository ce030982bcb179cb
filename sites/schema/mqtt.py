"""The broker that a site's state is published to, and what may be commanded through it."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from sites.schema.base import Section

MqttCommand = Literal["override", "withdraw", "approve", "reject", "acknowledge", "cancel_job", "delivery"]


class Mqtt(Section):
    """MQTT broker."""

    address: str
    """``mqtt://HOST:PORT`` or ``mqtts://HOST:PORT``."""
    user: str = ""
    password_env: str = ""
    """Environment variable that holds the password; passwords don't belong into site files."""
    prefix: str = Field(default="mdc", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")
    """Topics begin with it and the site's name."""
    every_s: float = Field(default=10.0, ge=0.1, le=3600)
    """How often the state is published."""
    discovery: str = Field(default="homeassistant", pattern=r"^[A-Za-z0-9_-]*$")
    """Prefix of Home Assistant's discovery; empty = none."""
    commands: tuple[MqttCommand, ...] = ()
    """What may be commanded through the broker, by someone with an operator's token; empty = nothing."""
    with_daemon: bool = True
    """Whether ``mdc run`` starts the bridge; false where ``mdc mqtt`` is started by something else."""
    backlog: int = Field(default=8640, ge=0, le=1_000_000)
    """States kept while the broker is away, oldest given up first."""

    @field_validator("address")
    @classmethod
    def _broker(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("write mqtt://HOST:PORT or mqtts://HOST:PORT")
        return value
