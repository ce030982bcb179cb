"""``mdc mqtt``: publishes a site to its MQTT broker and takes commands from there."""

from __future__ import annotations

import signal

from controller.cli.output import SiteArgument, say
from controller.cli.run import StoreOption


def mqtt(site: SiteArgument, store: StoreOption = None) -> None:
    """Publish a site to the MQTT broker of its site file, where ``mdc run`` does not (``mqtt.with_daemon: false``).

    Example: [bold]mdc mqtt site.yaml[/bold]
    """
    from controller.logs import set_up_logs
    from controller.mqtt.bridge import Bridge
    from sites.errors import InputError
    from sites.load import load_site
    from sites.ports import SystemClock

    set_up_logs("mqtt")
    described = load_site(site)
    if described.mqtt is None:
        raise InputError.single(source=site, field="mqtt", found=None, mend="add an mqtt section with an address")
    bridge = Bridge(described, described.mqtt, store or described.store.url, clock=SystemClock())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bridge.stop())
    say(f"publishing {bridge.topics.root} to {described.mqtt.address}")
    bridge.run()
