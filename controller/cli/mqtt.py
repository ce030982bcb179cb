"""``mdc mqtt``: publishes a site to its MQTT broker and takes commands from there."""

from __future__ import annotations

from controller.cli.output import SiteArgument, say
from controller.cli.run import StoreOption


def mqtt(site: SiteArgument, store: StoreOption = None) -> None:
    """Publish a site to the MQTT broker of its site file, where [bold]mdc run[/bold] does not (mqtt.with_daemon: false).

    Example: [bold]mdc mqtt site.yaml[/bold]
    """
    from controller.logs import set_up_logs
    from controller.mqtt.running import run_bridge
    from sites.load import load_site

    set_up_logs("mqtt")
    described = load_site(site)
    run_bridge(described, store or described.store.url, source=site, say=say)
