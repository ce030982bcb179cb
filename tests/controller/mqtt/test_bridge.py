"""The bridge on a real Mosquitto: state out, commands in, last will, discovery, a broker that goes away and comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy.orm import Session

from controller.access.roles import SHELL, Role
from controller.mqtt.bridge import Bridge
from controller.records.access import Access
from controller.records.entries import NowEntry
from controller.records.reading import Reader
from controller.records.store import open_engine, upgrade
from controller.records.writing import write_entry
from optimizer.plan import Level
from sites.load import find_site
from sites.ports import SystemClock
from sites.schema.mqtt import Mqtt
from tests.controller.daemon.prepared import SITE, START, twin
from tests.controller.mqtt.mosquitto import Broker, Listener

ROOT = "mdc/container"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/store.sqlite"
    upgrade(address)
    cycle(address, 0)
    return address


def cycle(url: str, minutes: int) -> None:
    """Store a completed cycle."""
    at = START + timedelta(minutes=minutes)
    plant = twin()
    plant.step(60.0)
    snapshot = plant.read().model_copy(update={"at_utc": at})
    now = NowEntry(at_utc=at, level=Level.RULES, plan_id=None, speed=1.0, snapshot=snapshot, setpoints=None)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        write_entry(session, SITE.name, now)
        session.commit()
    engine.dispose()


def token(url: str, name: str, role: Role) -> str:
    with Access(url, SITE.name) as access:
        return access.add(name, role, by="test", by_role=SHELL, now=datetime.now(UTC))


class Running:
    """A bridge in a thread."""

    def __init__(self, broker: Broker, url: str, **config: object) -> None:
        described = {"address": f"mqtt://127.0.0.1:{broker.port}", "every_s": 0.1, **config}
        self.bridge = Bridge(SITE, Mqtt.model_validate(described), url, clock=SystemClock())
        self._thread = threading.Thread(target=self.bridge.run)

    def __enter__(self) -> Bridge:
        self._thread.start()
        return self.bridge

    def __exit__(self, *_: object) -> None:
        self.bridge.stop()
        self._thread.join(10.0)


def test_the_present_is_retained_and_goodbye_is_said(broker: Broker, url: str) -> None:
    with Listener(broker.port) as listener:
        with Running(broker, url):
            listener.until(f"{ROOT}/status", lambda text: text == "online")
            state = json.loads(listener.until(f"{ROOT}/state", lambda text: True))
            assert state["pv_kw"] > 100.0
            assert 0.5 < state["battery_soc_frac"] < 0.7
            assert state["genset_diesel_1_phase"] == "off"
            assert state["ups_soc_frac"] == 1.0
            with Listener(broker.port, f"{ROOT}/+") as late:
                assert json.loads(late.until(f"{ROOT}/state", lambda text: True))["at"] == state["at"]
                assert ("mdc/container/status", "online", True) in late.heard
                assert late.until(f"{ROOT}/alarms", lambda text: True) == "[]"
        listener.until(f"{ROOT}/status", lambda text: text == "offline")


def test_home_assistant_finds_every_value(broker: Broker, url: str) -> None:
    with Running(broker, url), Listener(broker.port, "homeassistant/#") as listener:
        topic = "homeassistant/sensor/container/battery_soc_frac/config"
        described = json.loads(listener.until(topic, lambda text: True))
        assert described["unit_of_measurement"] == "%"
        assert described["device_class"] == "battery"
        assert described["availability_topic"] == f"{ROOT}/status"
        assert "value_json.battery_soc_frac * 100" in described["value_template"]
        fire = json.loads(listener.until("homeassistant/binary_sensor/container/fire/config", lambda text: True))
        assert fire["device_class"] == "safety"
        listener.until("homeassistant/sensor/container/service_voice_agent_rps/config", lambda text: True)
        identities = [json.loads(text)["unique_id"] for _, text, _ in listener.heard]
        assert len(identities) == len(set(identities)) > 20


def ask(listener: Listener, kind: str, **fields: object) -> dict[str, str]:
    """Send a command and return its answer."""
    listener.client.publish(f"{ROOT}/command/{kind}", json.dumps(fields), qos=1)
    wanted = str(fields.get("id", ""))
    return json.loads(listener.until(f"{ROOT}/answer", lambda text: json.loads(text)["id"] == wanted))


ORDER = {"kind": "run_genset", "genset": "diesel-1"}


def test_commands_are_carried_out_once_and_leave_their_trail(broker: Broker, url: str) -> None:
    key = token(url, "ana", Role.OPERATOR)
    with Running(broker, url, commands=["override", "delivery"]) as bridge, Listener(broker.port) as listener:
        listener.until(f"{ROOT}/status", lambda text: text == "online")
        fields = {"token": key, "id": "1", "order": ORDER, "hours": 2, "why": "storm ahead", "unchecked": True}
        first = ask(listener, "override", **fields)
        assert first["verdict"] == "done"
        listener.heard.clear()
        assert ask(listener, "override", **fields) == first
        assert ask(listener, "delivery", token=key, id="2", litres=500)["verdict"] == "done"
        assert ask(listener, "delivery", token=key, id="3", litres=-1)["verdict"] == "refused"
        assert bridge.given_up == 0
    with Reader(url, SITE.name) as reader:
        (override,) = reader.overrides()
        assert (override.who, override.why, override.subject) == ("ana", "storm ahead", "genset diesel-1")
        assert [each.litres for each in reader.deliveries()] == [500.0]
        assert {(each.who, each.role) for each in reader.audit() if each.action in ("override", "fuel delivery")} == {
            ("ana", "operator")
        }


def test_who_may_not_is_told_so(broker: Broker, url: str) -> None:
    operator, viewer = token(url, "ana", Role.OPERATOR), token(url, "vic", Role.VIEWER)
    with Running(broker, url, commands=["override"]), Listener(broker.port) as listener:
        listener.until(f"{ROOT}/status", lambda text: text == "online")
        order = {"order": ORDER, "why": "x"}
        told = {
            "stranger": ask(listener, "override", token="nonsense", id="1", **order),
            "viewer": ask(listener, "override", token=viewer, id="2", **order),
            "not allowed": ask(listener, "cancel_job", token=operator, id="3", job="a"),
            "no such kind": ask(listener, "explode", token=operator, id="4"),
            "without why": ask(listener, "override", token=operator, id="5", order=ORDER),
        }
        assert {each["verdict"] for each in told.values()} == {"refused"}
        assert "viewer may look" in told["viewer"]["text"]
        assert "owner does not allow" in told["not allowed"]["text"]
        listener.client.publish(f"{ROOT}/command/override", b"\xff{", qos=1)
        listener.until(f"{ROOT}/answer", lambda text: "faults in its JSON" in text)
    with Reader(url, SITE.name) as reader:
        assert reader.overrides() == ()
        assert {each.who for each in reader.audit() if each.action.startswith("mqtt")} == {"ana", "vic"}


def test_a_retained_command_is_none(broker: Broker, url: str) -> None:
    key = token(url, "ana", Role.OPERATOR)
    with Listener(broker.port) as listener:
        text = json.dumps({"token": key, "id": "old", "order": ORDER, "why": "x"})
        listener.client.publish(f"{ROOT}/command/override", text, qos=1, retain=True).wait_for_publish(5.0)
        with Running(broker, url, commands=["override"]):
            listener.until(f"{ROOT}/state", lambda text: True)
            fresh = ask(listener, "override", token=key, id="new", order=ORDER, why="y", unchecked=True)
            assert fresh["verdict"] == "done"
    with Reader(url, SITE.name) as reader:
        assert [each.why for each in reader.overrides()] == ["y"]


def test_a_broker_that_goes_away_hears_of_what_it_missed(broker: Broker, url: str) -> None:
    with Running(broker, url, backlog=5) as bridge:
        with Listener(broker.port) as listener:
            listener.until(f"{ROOT}/status", lambda text: text == "online")
        broker.stop()
        for _ in range(200):
            if len(bridge._backlog) == 5 and bridge.given_up > 0:
                break
            threading.Event().wait(0.05)
        assert len(bridge._backlog) == 5
        assert bridge.given_up > 0
        cycle(url, 7)
        broker.start()
        with Listener(broker.port) as listener:
            newest = (START + timedelta(minutes=7)).isoformat()
            listener.until(f"{ROOT}/state", lambda text: json.loads(text)["at"] == newest, 15.0)
            assert sum(topic == f"{ROOT}/history" for topic, _, _ in listener.heard) <= 5
            listener.until(f"{ROOT}/status", lambda text: text == "online")


def test_the_broker_says_offline_when_the_bridge_vanishes(broker: Broker, url: str, tmp_path: Path) -> None:
    document = yaml.safe_load(find_site("container").read_text())
    document["mqtt"] = {"address": f"mqtt://127.0.0.1:{broker.port}", "every_s": 0.2}
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "controller.cli.main", "mqtt", str(file), "--store", url]
    command[1:3] = ["-c", "from controller.cli.main import main; main()"]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with Listener(broker.port) as listener:
            listener.until(f"{ROOT}/status", lambda text: text == "online", 20.0)
            os.kill(child.pid, signal.SIGKILL)
            listener.until(f"{ROOT}/status", lambda text: text == "offline")
    finally:
        child.kill()
        child.wait()
