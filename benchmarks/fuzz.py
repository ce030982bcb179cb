"""Fuzzed requests and site files: ``python -m benchmarks.fuzz [--requests N] [--files N] [--quick]``.

Requests are drawn from the console's own OpenAPI document by schemathesis, right and wrong ones, and sent as nobody,
with a token that does not hold, and as each role, to a console in this process over a store with a day of the
container; a share of them is mangled beyond what the document can say. Site files are the examples with random changes.
Neither may be answered by a server error or a traceback, no command without its role may do anything, and a site
file is either taken or refused with what is wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from controller.access.roles import SHELL, Role
from controller.records.access import Access
from controller.records.reading import Reader
from controller.web.app import make_app
from controller.web.desk import DeskReader
from controller.web.gate import Gate
from sites.errors import InputError
from sites.load import load_site, parse_site
from sites.ports import SystemClock
from tests.controller.web.container_day import store_with_day

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Using `httpx` with")
    from starlette.testclient import TestClient

EXAMPLES = ("container", "cabinet", "clinic", "cell-tower", "jetson-box")
ENDLESS = "/v1/events"
"""A stream without an end: asked elsewhere."""
ASKERS = ("nobody", "stranger", *(role.value for role in Role))
COMMANDERS = (Role.OPERATOR.value, Role.ADMIN.value)
MANGLED_SHARE = 0.2
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


class Found(NamedTuple):
    """What a run of fuzzing showed."""

    sent: int
    answers: Counter[str]
    """How many of each answer: status codes, or taken and refused."""
    faults: tuple[str, ...]


def unhurried(count: int) -> Callable[[Any], Any]:
    """Return the settings of a run of ``count`` examples that is the same each time."""
    return settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


class Target:
    """A console in this process with a token for every role."""

    def __init__(self, folder: Path) -> None:
        self.url, clock, site = store_with_day(folder), SystemClock(), load_site("container")
        with Access(self.url, site.name) as access:
            self.tokens = {
                role.value: access.add(role.value, role, by="bench", by_role=SHELL, now=datetime.now(UTC))
                for role in Role
            }
        self.tokens["stranger"] = "mdc_" + "0" * 40
        self.reader = DeskReader(self.url, site, clock)
        self.gate = Gate(self.url, site.name, clock, local=False)
        self.client = TestClient(make_app(self.reader, self.gate), raise_server_exceptions=False)

    def description(self) -> dict[str, Any]:
        """Return the OpenAPI document without the endless stream."""
        found: dict[str, Any] = self.client.get("/v1/openapi.json", headers=self.headers("viewer")).json()
        found["paths"].pop(ENDLESS)
        return found

    def headers(self, asker: str) -> dict[str, str]:
        """Return what an asker sends to say who they are."""
        return {"authorization": f"Bearer {self.tokens[asker]}"} if asker in self.tokens else {}

    def close(self) -> None:
        """Let the store go."""
        self.reader.close()
        self.gate.close()


def fuzz_requests(count: int, draw_seed: int = 0) -> Found:
    """Send ``count`` requests and return what came back."""
    answers, faults, draws = Counter[str](), [], random.Random(draw_seed)
    with tempfile.TemporaryDirectory() as folder:
        target = Target(Path(folder))
        described = schemathesis.openapi.from_dict(target.description()).get_all_operations()
        operations = [each.ok() for each in described if isinstance(each, Ok)]
        share = -(-count // (2 * len(operations)))
        sent = 0

        def send(case: Case[Any]) -> None:
            nonlocal sent
            sent += 1
            asker = draws.choice(ASKERS)
            status, text = _send(target, case, asker, draws)
            answers[str(status)] += 1
            where = f"{case.method} {case.formatted_path} as {asker}: {status}"
            if status >= 500:
                faults.append(f"{where} on {str(case.body)[:200]}: {text[:200]}")
            if "Traceback (most recent call last)" in text:
                faults.append(f"{where}: a traceback")
            allowed = COMMANDERS if case.method.upper() not in ("GET", "HEAD") else tuple(role.value for role in Role)
            if status < 400 and asker not in allowed:
                faults.append(f"{where}: without its role")

        for operation in operations:
            for mode in GenerationMode:
                try:
                    cases = operation.as_strategy(mode)
                    seed(draw_seed)(unhurried(share)(given(case=cases)(send)))()
                except schemathesis.errors.SchemathesisError:
                    continue
        with Reader(target.url, "container") as reader:
            doers = {each.who for each in reader.audit(limit=10 * count) if each.outcome == "done"}
        faults += [f"{who} did something" for who in doers & {"nobody", "stranger", Role.VIEWER.value}]
        target.close()
    return Found(sent, answers, tuple(dict.fromkeys(faults)))


def _send(target: Target, case: Case[Any], asker: str, draws: random.Random) -> tuple[int, str]:
    """Send a case, mangled now and then; returns status and text."""
    parts = case.as_transport_kwargs(base_url="http://testserver")
    headers = {
        name: value for name, value in dict(parts.get("headers") or {}).items() if name.lower() != "authorization"
    }
    headers |= target.headers(asker)
    body = parts.get("data")
    if parts.get("json") is not None:
        body = json.dumps(parts["json"]).encode()
        headers.setdefault("content-type", "application/json")
    if draws.random() < MANGLED_SHARE:
        body = draws.choice([b"", b"{", b"[" * 3000, b"\xff\xfe\x00", b'{"a":NaN}', b"null", draws.randbytes(200)])
    address = parts["url"] + (
        f"?{draws.choice(['date=', 'from=x', 'limit=-1', 'days=1e400', '%00'])}" * (draws.random() < 0.1)
    )
    try:
        answer = target.client.request(
            parts["method"],
            address,
            headers=_sendable(headers),
            content=body,
            params=parts.get("params"),
            follow_redirects=False,
        )
    except (ValueError, UnicodeError):
        return 0, "cannot be sent"
    return answer.status_code, answer.text


def _sendable(headers: dict[str, Any]) -> dict[str, str]:
    """Return the headers that a client can put on the wire."""
    return {
        name: str(value)
        for name, value in headers.items()
        if str(value).isascii() and str(value).isprintable() and name.isascii()
    }


def fuzz_site_files(count: int, draw_seed: int = 0) -> Found:
    """Read ``count`` changed site files and return what came of them."""
    answers, faults = Counter[str](), []
    documents = [yaml.safe_load((Path("sites/examples") / f"{name}.yaml").read_text()) for name in EXAMPLES]

    def read(document: Any, changes: list[tuple[int, str, Any]]) -> None:
        changed = json.loads(json.dumps(document, default=str))
        for place, how, junk in changes:
            _change(changed, place, how, junk)
        text = json.dumps(changed)
        try:
            parse_site(text, source="fuzzed")
        except InputError as error:
            answers["refused"] += 1
            if not str(error).strip() or "Traceback" in str(error):
                faults.append(f"refused without saying why: {error!r} on {changes!r}"[:400])
        except Exception as error:
            faults.append(f"{type(error).__name__}: {error} on {changes!r}"[:400])
        else:
            answers["taken"] += 1

    change = st.tuples(st.integers(0, 10_000), st.sampled_from(["put", "drop", "twice", "number"]), JUNK)
    seed(draw_seed)(
        unhurried(count)(given(st.sampled_from(documents), st.lists(change, min_size=1, max_size=4))(read))
    )()
    return Found(sum(answers.values()), answers, tuple(dict.fromkeys(faults)))


def _change(document: Any, place: int, how: str, junk: Any) -> None:
    """Change one place of a document: put junk, leave it out, double a list, turn a number about."""
    holders: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            holders.append((part, key))
            if isinstance(part[key], dict | list):
                walk(part[key])

    walk(document)
    if not holders:
        return
    holder, key = holders[place % len(holders)]
    value = holder[key]
    if how == "drop":
        del holder[key]
    elif how == "twice" and isinstance(value, list):
        value.extend(value[:])
    elif how == "number" and isinstance(value, int | float):
        holder[key] = [-value, value * 1e6, 0, float("inf")][place % 4]
    else:
        holder[key] = junk


def print_found(what: str, found: Found, seconds: float) -> int:
    """Print what a run showed; returns how many faults."""
    kinds = ", ".join(f"{count} {answer}" for answer, count in sorted(found.answers.items()))
    print(f"{found.sent} {what} in {seconds:.0f} s: {kinds}; {len(found.faults)} faults   target 0")
    for fault in found.faults[:20]:
        print(f"  {fault}")
    return len(found.faults)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz both and print; returns 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="250 of each")
    given_ = parser.parse_args(arguments)
    if given_.quick:
        given_.requests = given_.files = 250
    logging.disable(logging.CRITICAL)
    begin_s = time.perf_counter()
    faults = print_found("requests", fuzz_requests(given_.requests, given_.seed), time.perf_counter() - begin_s)
    begin_s = time.perf_counter()
    faults += print_found("site files", fuzz_site_files(given_.files, given_.seed), time.perf_counter() - begin_s)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
