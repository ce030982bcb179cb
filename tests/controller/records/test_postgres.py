"""The same records on a real PostgreSQL server, in a database of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from controller.records import backfill as backfill_module
from controller.records.backfill import backfill
from controller.records.base import Base
from controller.records.commands import Commands
from controller.records.entries import ActedEntry, GuardEntry, JobProgress, TwinEntry
from controller.records.housekeeping import prune_store
from controller.records.reading import Reader
from controller.records.resume import read_inbox, read_resumed
from controller.records.site_lock import SiteLock
from controller.records.store import check_sqlite, exists, open_engine, upgrade
from sites.errors import InputError
from tests.controller.records.samples import (
    SITE,
    START,
    decision,
    fresh_url,
    job,
    now_entry,
    open_recorder,
    plan_entry,
    telemetry,
)

pytestmark = pytest.mark.postgres
SERVER = "host=127.0.0.1 port=5432 user=postgres"


@pytest.fixture
def url() -> Iterator[str]:
    """A database that exists for one test."""
    name = f"mdc_test_{uuid4().hex[:12]}"
    try:
        server = psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL server on 127.0.0.1:5432: {error}")
    with server:
        server.execute(f"create database {name}")
    try:
        yield f"postgresql://postgres@127.0.0.1:5432/{name}"
    finally:
        with psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True) as server:
            server.execute(f"drop database {name} with (force)")


def test_the_same_tables_and_records(url: str, tmp_path: Path) -> None:
    assert not exists(url)
    upgrade(url)
    assert exists(url)
    assert check_sqlite(url) == ()
    engine = open_engine(url, durable=True)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.exec_driver_sql("show synchronous_commit").scalar() == "on"
    recorder = open_recorder(url, tmp_path)
    plan = plan_entry(review="pending")
    recorder.commit([plan, decision(plan_id=plan.id)], timeout_s=10.0)
    with Commands(url, SITE.name) as commands:
        commands.submit_jobs([job("a")], who="me", at_utc=START)
        commands.review_plan(plan.id, approve=True, who="boss", why="", at_utc=START)
    recorder.post(
        now_entry(plan_id=plan.id),
        telemetry(0.0, pv_kw=5.0),
        telemetry(0.0, pv_kw=9.0),
        ActedEntry(ids=(decision().id,), at_utc=START),
        GuardEntry(at_utc=START, guard="g", reason_code="SOC_LOW", subject="load", text="", began=True),
        TwinEntry(at_utc=START, document=lambda: "{}"),
        JobProgress(
            name="a", state="running", done_frac=0.5, pool="h100", gpus=8, limit_w=300, at_utc=START, event="started"
        ),
    )
    recorder.close()
    resumed = read_resumed(engine, SITE.name)
    assert (resumed.plan_id, resumed.twin, resumed.at_utc) == (plan.id, "{}", START)
    assert [(each.subject, each.acted) for each in resumed.orders] == [("genset diesel-1", True)]
    inbox = read_inbox(engine, SITE.name, START)
    assert ([each.name for each in inbox.jobs], inbox.reviews) == (["a"], ((plan.id, "approved"),))
    engine.dispose()
    with Reader(url, SITE.name) as reader:
        assert [point.pv_kw for point in reader.telemetry(START, START + timedelta(days=1))] == [5.0]
        stored = reader.plan(plan.id)
        assert stored is not None
        assert stored.plan == plan.plan
        assert reader.telemetry(START, START + timedelta(days=1))[0].at_utc == START
    gone = prune_store(url, SITE.name, START + timedelta(days=1))
    assert gone["telemetry"] == 1


def test_one_daemon_a_site_across_machines(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = SiteLock(url, SITE.name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="another daemon"):
        SiteLock(url, SITE.name)
    lock.release()
    SiteLock(url, SITE.name).release()


def test_a_server_that_is_not_there_is_bad_input() -> None:
    with pytest.raises(InputError, match="readable and writable"):
        upgrade("postgresql://postgres@127.0.0.1:1/none")


def fill(url: str, folder: Path, first: int, count: int) -> None:
    """Write some minutes of one site's life, a row every ten seconds."""
    recorder = open_recorder(url, folder)
    for i in range(first, first + count):
        recorder.post(telemetry(10.0 * i, soc=i / 1e5))
    recorder.commit([decision("tiers", first + 1, f"shed {first}")], timeout_s=20.0)
    recorder.close()


def test_backfill_after_a_cut_link_loses_and_doubles_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = fresh_url(tmp_path)
    fill(local, tmp_path, 0, 1000)
    with Commands(local, SITE.name) as commands:
        commands.submit_jobs([job("a")], who="me", at_utc=START)
    server = psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True)
    database = url.rpartition("/")[2]
    waits: list[float] = []

    def cut() -> None:
        server.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()",
            (database,),
        )

    upgrade(url)
    written, real = [0], backfill_module._Sender._write

    def cutting(self: Any, *batch: Any) -> None:
        written[0] += 1
        if written[0] % 7 == 0:
            cut()
        real(self, *batch)

    monkeypatch.setattr(backfill_module._Sender, "_write", cutting)
    first = backfill(local, url, SITE.name, wait=waits.append, batch=25)
    server.close()
    monkeypatch.undo()
    assert first.cuts > 10
    assert len(waits) == first.cuts
    fill(local, tmp_path, 1000, 300)
    with Commands(local, SITE.name) as commands:
        commands.cancel_job("a", who="me", at_utc=START)
    second = backfill(local, url, SITE.name, wait=waits.append)
    assert second.rows["telemetry"] == 300
    assert backfill(local, url, SITE.name, wait=waits.append).rows.get("telemetry", 0) == 0
    span = (START, START + timedelta(days=1))
    with Reader(local, SITE.name) as here, Reader(url, SITE.name) as there:
        assert there.telemetry(*span, max_points=9999) == here.telemetry(*span, max_points=9999)
        means = (here.telemetry(*span, max_points=48), there.telemetry(*span, max_points=48))
        assert len(means[0]) == len(means[1]) < 48
        assert [each.soc_frac for each in means[0]] == pytest.approx([each.soc_frac for each in means[1]])
        assert [each.at_utc for each in means[0]] == [each.at_utc for each in means[1]]
        assert there.decisions(*span) == here.decisions(*span)
        assert there.jobs() == here.jobs()
        assert there.job_events("a") == here.job_events("a")
        assert {each.action for each in there.audit()} == {each.action for each in here.audit()}
        assert there.site() == here.site()


def test_backfill_goes_on_after_pruning_numbered_the_rows_anew(url: str, tmp_path: Path) -> None:
    local = fresh_url(tmp_path)
    fill(local, tmp_path, 0, 720)
    backfill(local, url, SITE.name, wait=lambda seconds: None)
    prune_store(local, SITE.name, START + timedelta(hours=1))
    fill(local, tmp_path, 720, 100)
    backfill(local, url, SITE.name, wait=lambda seconds: None)
    with Reader(url, SITE.name) as there:
        assert len(there.telemetry(START, START + timedelta(days=1), max_points=99_999)) == 820
