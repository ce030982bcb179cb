"""The bridge between a site's store and its broker (paho-mqtt)."""

from __future__ import annotations

import json
import logging
import os
import queue
import ssl
import threading
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from controller.mqtt.commanding import Desk
from controller.mqtt.discovery import configurations
from controller.mqtt.topics import OFFLINE, ONLINE, Flat, Topics, alarm_list, flat_state
from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS
from controller.records.views import SiteNow
from sites.ports import Clock
from sites.schema.mqtt import Mqtt
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
RECONNECT_S = (1, 60)
COMMANDS_WAITING = 100
"""Commands that may wait; more are given up, and the log says so."""
FLUSH_PER_TURN = 200
SHORT_S = 0.2
"""How long it may take to notice that it is to stop; a signal handler may take no lock that is waited for."""
STALE_S = 60.0
"""Host seconds without a new cycle after which the site counts as offline."""


class Bridge:
    """Publishes a site and takes its commands. The broker's callbacks only note; :meth:`turn` works."""

    def __init__(self, site: Site, config: Mqtt, url: str, *, clock: Clock) -> None:
        self._site, self._config, self._url, self._clock = site, config, url, clock
        self.topics = Topics.of(config.prefix, site.name)
        self._desk = Desk(site, config, url)
        self._commands: queue.Queue[tuple[str, bytes, bool]] = queue.Queue(COMMANDS_WAITING)
        self._backlog: deque[Flat] = deque(maxlen=config.backlog)
        self._connected, self._stop = threading.Event(), threading.Event()
        self._greeted = False
        self._announced: frozenset[str] = frozenset()
        self._last: tuple[str, float] = ("", clock.monotonic_s())
        self._status = ""
        self.given_up = 0
        """States and commands that were given up."""
        self._client = self._made()

    def _made(self) -> mqtt.Client:
        config = self._config
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"mdc-{self._site.name}", clean_session=True)
        if config.user:
            client.username_pw_set(config.user, os.environ.get(config.password_env) if config.password_env else None)
        if urlsplit(config.address).scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context())
        client.will_set(self.topics.status, OFFLINE, qos=1, retain=True)
        client.reconnect_delay_set(*RECONNECT_S)
        client.max_queued_messages_set(2 * FLUSH_PER_TURN)
        client.on_connect, client.on_disconnect, client.on_message = self._on_connect, self._on_lost, self._on_message
        return client

    def _on_connect(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            LOG.warning("the broker refuses: %s", reason)
            return
        client.subscribe(self.topics.commands, qos=1)
        self._greeted = False
        self._connected.set()

    def _on_lost(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._connected.is_set() and not self._stop.is_set():
            LOG.warning("the broker is lost: %s", reason)
        self._connected.clear()

    def _on_message(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        kind = message.topic.rpartition("/")[2]
        try:
            self._commands.put_nowait((kind, bytes(message.payload), bool(message.retain)))
        except queue.Full:
            self.given_up += 1
            LOG.warning("too many commands wait; %s is given up", kind)

    def start(self) -> None:
        """Begin to connect; goes on trying for ever."""
        parts = urlsplit(self._config.address)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self._client.connect_async(str(parts.hostname), port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye and hang up; safe from a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self._connected.is_set():
            self._client.publish(self.topics.status, OFFLINE, qos=1, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def run(self) -> None:
        """Publish until stopped; commands are answered meanwhile, in their order: one may wait for the planner."""
        self.start()
        answering = threading.Thread(target=self._answer_commands, name="commands", daemon=True)
        answering.start()
        due_s = self._clock.monotonic_s()
        try:
            while not self._stop.is_set():
                if self._clock.monotonic_s() >= due_s:
                    due_s = self._clock.monotonic_s() + self._config.every_s
                    self.turn()
                self._clock.sleep(min(max(due_s - self._clock.monotonic_s(), 0.001), SHORT_S))
        finally:
            answering.join(2.0)
            self.close()

    def turn(self) -> None:
        """Publish the present once, or keep it for later."""
        try:
            with Reader(self._url, self._site.name) as reader:
                now = reader.now()
                alarms = alarm_list(reader.alarms())
        except STORE_FAULTS as error:
            LOG.warning("the store cannot be read: %s", error.__class__.__name__)
            return
        if now is None:
            return
        state = flat_state(now)
        if not self._connected.is_set():
            if len(self._backlog) == self._backlog.maxlen:
                self.given_up += 1
            self._backlog.append(state)
            return
        self._flush()
        self._tell_status(now)
        self._announce(state)
        self._client.publish(self.topics.state, json.dumps(state), qos=1, retain=True)
        self._client.publish(self.topics.alarms, alarms, qos=1, retain=True)

    def _tell_status(self, now: SiteNow) -> None:
        """Say online while the daemon turns, offline when its last cycle is old."""
        at, host_s = now.at_utc.isoformat(), self._clock.monotonic_s()
        if at != self._last[0]:
            self._last = at, host_s
        status = ONLINE if host_s - self._last[1] < STALE_S else OFFLINE
        if status != self._status or not self._greeted:
            self._client.publish(self.topics.status, status, qos=1, retain=True)
            self._status, self._greeted = status, True

    def _announce(self, state: Flat) -> None:
        """Tell Home Assistant of values it does not know yet."""
        if not self._config.discovery or self._announced == frozenset(state):
            return
        for topic, text in configurations(self._config.discovery, self._site.name, self.topics, state).items():
            self._client.publish(topic, text, qos=1, retain=True)
        self._announced = frozenset(state)

    def _flush(self) -> None:
        for _ in range(min(len(self._backlog), FLUSH_PER_TURN)):
            self._client.publish(self.topics.history, json.dumps(self._backlog.popleft()), qos=1)

    def _answer_commands(self) -> None:
        """Answer what is asked until stopped."""
        while not self._stop.is_set():
            try:
                self._answer(*self._commands.get(timeout=SHORT_S))
            except queue.Empty:
                continue

    def _answer(self, kind: str, payload: bytes, retained: bool) -> None:
        try:
            with Reader(self._url, self._site.name) as reader:
                now = reader.now()
            host_utc = self._clock.now_utc()
            answer = self._desk.answer(
                kind, payload, retained=retained, host_utc=host_utc, site_utc=now.at_utc if now else host_utc
            )
        except STORE_FAULTS as error:
            answer = json.dumps({"id": "", "verdict": "failed", "text": f"the store: {error.__class__.__name__}"})
        if answer is not None:
            self._client.publish(self.topics.answer, answer, qos=1)
