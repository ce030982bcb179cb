"""A host by its BMC: Redfish over HTTP (DMTF DSP0266, ComputerSystem.Reset of DSP2046).

The system is the one named, else the first that the service lists. Which kinds of reset a BMC takes stands in its
``ResetType@Redfish.AllowableValues``; a graceful shutdown that it does not know becomes an immediate one only when forced.
"""

from __future__ import annotations

import contextlib
from typing import Any

import httpx

from controller.devices.nodes.switch import NodeLostError, NodeRefusedError, Power

STATES = {"On": Power.ON, "Off": Power.OFF, "PoweringOn": Power.BOOTING, "PoweringOff": Power.STOPPING}
RUNNING = {"OSRunning", "OSBootStarted"}
"""``BootProgress.LastState`` values at which an operating system has the machine; a BMC may not tell."""


class RedfishNode:
    """Driver of one host."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        system: str = "",
        user: str = "",
        password: str = "",
        verify: bool = True,
        timeout_s: float = 5.0,
    ) -> None:
        self.name, self._system = name, system
        auth = (user, password) if user else None
        self._client = httpx.Client(base_url=address, auth=auth, verify=verify, timeout=timeout_s)

    def power(self) -> Power:
        """Return where the host is; powered but still booting where the BMC tells its boot progress."""
        found = self._ask()
        state = STATES.get(str(found.get("PowerState")))
        if state is None:
            raise NodeLostError(f"{self.name}: its BMC tells no power state")
        progress = found.get("BootProgress")
        if state is Power.ON and isinstance(progress, dict) and progress.get("LastState") not in RUNNING:
            return Power.BOOTING
        return state

    def turn_on(self) -> None:
        if self.power() in (Power.OFF, Power.STOPPING):
            self._reset(("On", "ForceOn"))

    def turn_off(self, *, force: bool = False) -> None:
        if self.power() is not Power.OFF:
            self._reset(("ForceOff", "PowerCycle")[:1] if force else ("GracefulShutdown",))

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _get(self, path: str) -> dict[str, Any]:
        return self._json(lambda: self._client.get(path))

    def _json(self, request: Any) -> dict[str, Any]:
        try:
            answer: httpx.Response = request()
            if answer.status_code in (401, 403):
                raise NodeRefusedError(f"{self.name}: its BMC does not let us in ({answer.status_code})")
            if answer.status_code >= 400:
                raise NodeRefusedError(f"{self.name}: its BMC answers {answer.status_code}: {_said(answer)}")
            found = answer.json() if answer.content else {}
        except httpx.HTTPError as error:
            raise NodeLostError(f"{self.name}: {type(error).__name__}: {error}") from None
        except ValueError:
            raise NodeLostError(f"{self.name}: its BMC answers with what is no JSON") from None
        if not isinstance(found, dict):
            raise NodeLostError(f"{self.name}: its BMC answers with what is no resource")
        return found

    def _ask(self) -> dict[str, Any]:
        if not self._system:
            members = self._get("/redfish/v1/Systems").get("Members", [])
            with contextlib.suppress(LookupError, TypeError):
                self._system = str(members[0]["@odata.id"])
            if not self._system:
                raise NodeRefusedError(f"{self.name}: its BMC lists no system")
        path = self._system if self._system.startswith("/") else f"/redfish/v1/Systems/{self._system}"
        return self._get(path)

    def _reset(self, kinds: tuple[str, ...]) -> None:
        action = self._ask().get("Actions", {}).get("#ComputerSystem.Reset", {})
        target, allowed = action.get("target"), action.get("ResetType@Redfish.AllowableValues", list(kinds))
        kind = next((each for each in kinds if each in allowed), None)
        if not isinstance(target, str) or kind is None:
            raise NodeRefusedError(f"{self.name}: its BMC does not do {' or '.join(kinds)}")
        self._json(lambda: self._client.post(target, json={"ResetType": kind}))


def _said(answer: httpx.Response) -> str:
    try:
        message: object = answer.json()["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return answer.text[:100]
    return str(message)[:200]
