"""``python -m controller.mqtt --store URL --site FILE``: the bridge to the broker as a process of its own."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from controller.logs import set_up_logs
from controller.mqtt.running import run_bridge
from sites.errors import InputError
from sites.load import load_site

LOG = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m controller.mqtt", description="A site at its MQTT broker.")
    parser.add_argument("--store", required=True, help="address of the store, e.g. sqlite:///var/mdc.sqlite")
    parser.add_argument("--site", required=True, help="site file with an mqtt section")
    given = parser.parse_args(arguments)
    set_up_logs("mqtt")
    try:
        run_bridge(load_site(given.site), given.store, source=given.site, say=LOG.info)
    except InputError as error:
        LOG.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
