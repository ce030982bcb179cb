"""``python -m controller.mqtt --store URL --site FILE``: the bridge to the broker as a process of its own."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

from controller.logs import set_up_logs
from controller.mqtt.bridge import Bridge
from sites.load import load_site
from sites.ports import SystemClock

LOG = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m controller.mqtt", description="A site at its MQTT broker.")
    parser.add_argument("--store", required=True, help="address of the store, e.g. sqlite:///var/mdc.sqlite")
    parser.add_argument("--site", required=True, help="site file with an mqtt section")
    given = parser.parse_args(arguments)
    set_up_logs("mqtt")
    site = load_site(given.site)
    if site.mqtt is None:
        sys.stderr.write(f"error: {given.site}: mqtt: not there; add an mqtt section with an address\n")
        return 2
    bridge = Bridge(site, site.mqtt, given.store, clock=SystemClock())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bridge.stop())
    LOG.info("publishing %s to %s", bridge.topics.root, site.mqtt.address)
    bridge.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
