"""Commands that come from the broker: who may, what may be asked, and the trail they leave.

A command is a JSON object on ``.../command/KIND`` with ``token`` (an operator's, see ``mdc access``), ``id`` (any text;
the same id is carried out once), and what the kind needs:

    override     {"order": {"kind": "run_genset", "genset": "diesel-1"}, "hours": 2, "why": "storm ahead"}
    withdraw     {"override": ID}                 acknowledge  {"alarm": ID}
    approve      {"plan": ID, "why": "..."}       reject       {"plan": ID, "why": "..."}
    cancel_job   {"job": NAME}                    delivery     {"litres": 500}

An override is given once the planner has found a plan under it; ``"unchecked": true`` gives it at once.
Only kinds that the site file allows are carried out. A retained command is none: the broker would repeat it for ever.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field, ValidationError

from controller.access.roles import Asker, Role
from controller.operator_desk import OperatorDesk
from controller.overrides.orders import Order, Standing
from controller.records.access import Access
from controller.records.commands import Commands
from sites.errors import InputError
from sites.record import Record
from sites.schema.mqtt import Mqtt
from sites.schema.site import Site

REMEMBERED = 1000
"""Ids of commands that are remembered, so that a repeated delivery is not carried out twice."""


class Command(Record):
    """A command as it comes."""

    token: str
    id: str = Field(min_length=1, max_length=100)
    why: str = Field(default="", max_length=500)
    order: Order | None = None
    hours: float = Field(default=1.0, gt=0, le=168)
    override: str = ""
    plan: str = ""
    alarm: str = ""
    job: str = ""
    litres: float = 0.0
    unchecked: bool = False
    """An override is given at once, without a plan under it."""


class Desk:
    """Carries out commands through the store."""

    def __init__(self, site: Site, config: Mqtt, url: str) -> None:
        self._site, self._config, self._url = site, config, url
        self._answers: OrderedDict[str, str] = OrderedDict()

    def answer(
        self, kind: str, payload: bytes, *, retained: bool, host_utc: datetime, site_utc: datetime
    ) -> str | None:
        """Carry out a command and return the answer as JSON; none for what deserves none.

        ``host_utc`` judges tokens, ``site_utc`` dates what is done.
        """
        if retained:
            return None
        try:
            command = Command.model_validate_json(payload)
        except ValidationError as error:
            return _answer("", "refused", f"no such command: {error.error_count()} faults in its JSON")
        known = self._answers.get(command.id)
        if known is not None:
            return known
        asker = self._asker(command, host_utc)
        if asker is None:
            return _answer(command.id, "refused", "this token does not hold")
        answer = self._judged(kind, command, asker, site_utc)
        self._answers[command.id] = answer
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    def _asker(self, command: Command, host_utc: datetime) -> Asker | None:
        with Access(self._url, self._site.name) as access:
            return access.bearer(command.token, host_utc)

    def _judged(self, kind: str, command: Command, asker: Asker, site_utc: datetime) -> str:
        refusal = ""
        if kind not in self._config.commands:
            refusal = f"the site's owner does not allow {kind} through the broker"
        elif not asker.role.covers(Role.OPERATOR):
            refusal = f"a {asker.role.value} may look, not command"
        if refusal:
            with Commands(self._url, self._site.name, role=asker.role.value) as commands:
                commands.refuse(f"mqtt {kind}", refusal, who=asker.name, at_utc=site_utc)
            return _answer(command.id, "refused", refusal)
        try:
            done = self._carried_out(kind, command, asker, site_utc)
        except InputError as error:
            return _answer(command.id, "refused", str(error))
        return _answer(command.id, "done", done)

    def _carried_out(self, kind: str, command: Command, asker: Asker, site_utc: datetime) -> str:
        desk = OperatorDesk(url=self._url, site=self._site, who=asker.name, role=asker.role.value, now=site_utc)
        match kind:
            case "override":
                give = desk.give_unchecked if command.unchecked else desk.give
                return give(_standing(command, site_utc), why=command.why)
            case "withdraw":
                desk.withdraw(command.override)
                return command.override
            case "approve" | "reject":
                desk.judge(command.plan, approve=kind == "approve", why=command.why)
                return command.plan
            case "acknowledge":
                desk.acknowledge(command.alarm)
                return command.alarm
            case "cancel_job":
                desk.cancel(command.job)
                return command.job
        desk.deliver(site_utc, command.litres)
        return f"{command.litres:g} L"


def _standing(command: Command, site_utc: datetime) -> Standing:
    if command.order is None:
        raise InputError.single(source="command", field="order", found=None, mend="say what is ordered")
    return Standing(order=command.order, expires_utc=site_utc + timedelta(hours=command.hours))


def _answer(identity: str, verdict: str, text: str) -> str:
    answer: dict[str, Any] = {"id": identity, "verdict": verdict, "text": text}
    return json.dumps(answer)
