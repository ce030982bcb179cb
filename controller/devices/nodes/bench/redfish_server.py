"""A Redfish answer over HTTP: one service, some hosts that boot and stop in their time.

python -m controller.devices.nodes.bench.redfish_server --port 8443 --hosts 2 --boot 60
"""

from __future__ import annotations

import argparse
import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from controller.devices.nodes.switch import NodeRefusedError, Power, TwinNode

POWER_STATES = {Power.ON: "On", Power.BOOTING: "On", Power.OFF: "Off", Power.STOPPING: "PoweringOff"}
RESETS = ["On", "ForceOff", "GracefulShutdown"]
ROOT = "/redfish/v1/Systems"


class RedfishServer:
    """Serves twins."""

    def __init__(
        self, hosts: dict[str, TwinNode], *, user: str = "", password: str = "", host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.hosts = hosts
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._expects = f"Basic {secret}" if user else ""
        self.broken = False
        """Injected: answers are no JSON."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                outer.respond(self, None)

            def do_POST(self) -> None:
                outer.respond(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        self._server = ThreadingHTTPServer((host, port), Handler)
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def respond(self, request: BaseHTTPRequestHandler, body: bytes | None) -> None:
        """Answer one request."""
        if self._expects and request.headers.get("Authorization") != self._expects:
            status, found = 401, _error("sign in")
        elif body is None:
            status, found = self._get(request.path)
        else:
            status, found = self._post(request.path, body)
        text = b"<html>" if self.broken else json.dumps(found).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == ROOT:
            members = [{"@odata.id": f"{ROOT}/{name}"} for name in self.hosts]
            return 200, {"Members": members, "Members@odata.count": len(members)}
        host = self.hosts.get(path.removeprefix(f"{ROOT}/"))
        return (200, _system(path, host)) if host is not None else (404, _error("no such system"))

    def _post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        name = path.removeprefix(f"{ROOT}/").removesuffix("/Actions/ComputerSystem.Reset")
        host = self.hosts.get(name)
        kind = json.loads(body or b"{}").get("ResetType")
        if host is None or kind not in RESETS:
            return 400, _error(f"no such reset: {kind}")
        try:
            host.turn_on() if kind == "On" else host.turn_off(force=kind == "ForceOff")
        except NodeRefusedError as error:
            return 409, _error(str(error))
        return 204, {}

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def _system(path: str, host: TwinNode) -> dict[str, Any]:
    power = host.power()
    reset = {"target": f"{path}/Actions/ComputerSystem.Reset", "ResetType@Redfish.AllowableValues": RESETS}
    return {
        "@odata.id": path,
        "Id": host.name,
        "PowerState": POWER_STATES[power],
        "BootProgress": {"LastState": "OSRunning" if power is Power.ON else "None"},
        "Actions": {"#ComputerSystem.Reset": reset},
    }


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": "Base.1.0.GeneralError", "message": message}}


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(
        prog="python -m controller.devices.nodes.bench.redfish_server", description=__doc__
    )
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--boot", type=float, default=60.0, help="seconds a host boots")
    options = parser.parse_args()
    names = [f"node-{n}" for n in range(1, options.hosts + 1)]
    server = RedfishServer(
        {name: TwinNode(name, time.monotonic, boot_s=options.boot) for name in names}, port=options.port
    )
    try:
        threading.Event().wait()
    finally:
        server.close()


if __name__ == "__main__":
    main()
