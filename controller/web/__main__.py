"""``python -m controller.web --store URL --site FILE [--port P] [--host H]``: the console as a process of its own.

It listens on this machine alone unless told otherwise, and beyond it only once somebody holds a token.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import uvicorn

from controller.logs import set_up_logs
from controller.web.app import LOCAL_HOSTS, make_app
from controller.web.desk import DeskReader
from controller.web.gate import Gate
from controller.web.listening import LOOPBACK, check_listening
from sites.errors import InputError
from sites.load import load_site
from sites.ports import SystemClock

DEFAULT_PORT = 8080


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m controller.web", description="The operator's console.")
    parser.add_argument("--store", required=True, help="address of the store, e.g. sqlite:///var/mdc.sqlite")
    parser.add_argument("--site", required=True, help="site file, or the name of an example site")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; anything but 127.0.0.1 is open to others"
    )
    parser.add_argument("--tls-cert", help="certificate (PEM), with --tls-key: the console speaks HTTPS")
    parser.add_argument("--tls-key", help="private key of the certificate (PEM)")
    given = parser.parse_args(arguments)
    set_up_logs("web")
    local = given.host in LOOPBACK
    try:
        site = load_site(given.site)
        check_listening(given.host, given.store, site.name, SystemClock())
        reader = DeskReader(given.store, site, SystemClock())
        gate = Gate(given.store, site.name, SystemClock(), local=local)
        app = make_app(reader, gate, allowed_hosts=LOCAL_HOSTS if local else ("*",))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(
        app,
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=given.tls_cert,
        ssl_keyfile=given.tls_key,
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
