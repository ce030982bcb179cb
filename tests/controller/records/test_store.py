"""Opening a store: times, durability, addresses that cannot be used, one daemon a site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text

from controller.records.base import UtcTime
from controller.records.site_lock import SiteLock
from controller.records.store import check_sqlite, exists, open_engine, parse_url, upgrade
from sites.errors import InputError
from tests.controller.records.samples import SITE, fresh_url


def test_times_go_in_aware_and_come_out_utc() -> None:
    engine = open_engine("sqlite://", durable=True)
    kind, east = UtcTime(), timezone(timedelta(hours=2))
    moment = datetime(2026, 3, 1, 12, 30, 1, 5, tzinfo=east)
    bound = kind.process_bind_param(moment, engine.dialect)
    assert bound == datetime(2026, 3, 1, 10, 30, 1, 5)  # noqa: DTZ001
    assert kind.process_result_value(bound, engine.dialect) == moment
    assert kind.process_result_value(bound, engine.dialect).tzinfo is UTC  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="needs a zone"):
        kind.process_bind_param(datetime(2026, 3, 1), engine.dialect)  # noqa: DTZ001


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_durable_connections_wait_for_the_disk(tmp_path: Path, durable: bool, level: int) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.sqlite'}", durable=durable)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == level
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("url", ["", "var/mdc.sqlite", "mysql://a/b", "sqlite"])
def test_a_wrong_address_says_what_is_right(url: str) -> None:
    with pytest.raises(InputError, match="sqlite:///FILE or postgresql://"):
        parse_url(url)


def test_postgresql_means_psycopg() -> None:
    assert parse_url("postgresql://u@h/d").drivername == "postgresql+psycopg"


def test_a_store_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    place = tmp_path / "a.sqlite"
    place.write_bytes(b"this is no database" * 100)
    with pytest.raises(InputError, match="readable and writable"):
        upgrade(f"sqlite:///{place}")


def test_asking_whether_a_store_is_there_makes_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    assert not exists(url)
    assert list(tmp_path.iterdir()) == []
    upgrade(url)
    assert exists(url)


def test_a_whole_store_has_no_findings(tmp_path: Path) -> None:
    assert check_sqlite(fresh_url(tmp_path)) == ()


def test_one_daemon_a_site(tmp_path: Path) -> None:
    url = fresh_url(tmp_path)
    lock = SiteLock(url, SITE.name)
    with pytest.raises(InputError, match="another daemon runs container"):
        SiteLock(url, SITE.name)
    SiteLock(url, "elsewhere").release()
    lock.release()
    SiteLock(url, SITE.name).release()
