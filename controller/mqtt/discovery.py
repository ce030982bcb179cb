"""Home Assistant's MQTT discovery: one retained configuration a sensor, so that the site appears by itself.

Component ``sensor`` for numbers and words, ``binary_sensor`` for contacts; one device, available while we are online.
Source: Home Assistant documentation, MQTT integration, "MQTT Discovery" (device, availability_topic, value_template).
"""

from __future__ import annotations

import json
from typing import NamedTuple

from controller.mqtt.topics import OFFLINE, ONLINE, Flat, Topics


class Meaning(NamedTuple):
    """How Home Assistant shows a value."""

    unit: str
    device_class: str
    factor: float = 1.0


MEANINGS = {
    "kw": Meaning("kW", "power"),
    "frac": Meaning("%", "battery", 100.0),
    "c": Meaning("°C", "temperature"),
    "l": Meaning("L", "volume_storage"),
    "rps": Meaning("1/s", ""),
}
"""By the last part of a name."""
CONTACTS = ("emergency_stop", "fire")


def configurations(prefix: str, site: str, topics: Topics, state: Flat) -> dict[str, str]:
    """Return the discovery payloads of every value of a state, by topic."""
    found = {}
    for key in state:
        if key == "at":
            continue
        component = "binary_sensor" if key in CONTACTS else "sensor"
        found[f"{prefix}/{component}/{site}/{key}/config"] = json.dumps(_configuration(site, topics, key))
    return found


def _configuration(site: str, topics: Topics, key: str) -> dict[str, object]:
    described: dict[str, object] = {
        "name": key.replace("_", " "),
        "unique_id": f"mdc_{site}_{key}",
        "object_id": f"{site}_{key}",
        "state_topic": topics.state,
        "availability_topic": topics.status,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "device": {"identifiers": [f"mdc_{site}"], "name": site, "manufacturer": "mdc", "model": "micro data center"},
    }
    if key in CONTACTS:
        contact = f"{{{{ 'ON' if value_json.{key} else 'OFF' }}}}"
        return {**described, "value_template": contact, "device_class": "safety"}
    meaning = MEANINGS.get(key.rpartition("_")[2])
    if meaning is None:
        return {**described, "value_template": f"{{{{ value_json.{key} }}}}"}
    scaled = f"value_json.{key}" if meaning.factor == 1.0 else f"value_json.{key} * {meaning.factor:g}"
    known = f"{{{{ none if value_json.{key} is none else {scaled} }}}}"
    described |= {"value_template": known, "unit_of_measurement": meaning.unit, "state_class": "measurement"}
    return described | ({"device_class": meaning.device_class} if meaning.device_class else {})
