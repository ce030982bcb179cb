"""Opening the store: one address, two kinds of connection, migrated before first use.

On SQLite a *durable* connection waits until a commit is on the disk (``synchronous=FULL``): decisions, plans, jobs. A
*fast* one does not (``synchronous=NORMAL`` in WAL mode): telemetry, which may lose its last seconds in a power cut but
is never torn. PostgreSQL has ``synchronous_commit`` on and off for the same two.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from controller.records.base import HEAD_REVISION
from sites.errors import InputError

BUSY_MS = 2000
"""How long a connection waits for another writer."""
STORE_FAULTS: tuple[type[Exception], ...] = (SQLAlchemyError,)
"""What reading and writing raise while a store is locked, damaged or away; for those who may not import SQLAlchemy."""


def parse_url(url: str) -> URL:
    """Return a store address SQLAlchemy can use; ``postgresql://`` means the psycopg driver.

    Raises:
        InputError: not an address, or neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError.single(
            source="store", field="url", found=url, mend="write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise InputError.single(
            source="store", field="url", found=backend, mend="use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def open_engine(url: str, *, durable: bool) -> Engine:
    """Return an engine; the folder of an SQLite file is made if it is missing.

    Raises:
        InputError: the address cannot be used.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(parsed, pool_pre_ping=True)
        level = "on" if durable else "off"

        @event.listens_for(engine, "connect")
        def _durability(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
            cursor = connection.cursor()
            cursor.execute(f"SET synchronous_commit = {level}")
            cursor.close()
            connection.commit()

        return engine
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_MS / 1000})
    synchronous = "FULL" if durable else "NORMAL"

    @event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def revision(engine: Engine) -> str | None:
    """Return the migration that the store is at; none for an empty one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("select version_num from alembic_version")).scalar()


def exists(url: str) -> bool:
    """Return whether a store is there and at the newest migration; never makes one.

    Raises:
        InputError: the address cannot be used.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not (parsed.database and Path(parsed.database).is_file()):
        return False
    engine = open_engine(url, durable=False)
    try:
        return revision(engine) == HEAD_REVISION
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring a store to the newest migration; returns the revisions before and after.

    Raises:
        InputError: the store cannot be opened, or was made by a newer program.
    """
    engine = open_engine(url, durable=True)
    try:
        before = revision(engine)
        if before != HEAD_REVISION:
            from migrations.upgrade import run_migrations

            run_migrations(engine)
    except SQLAlchemyError as error:
        raise InputError.single(
            source="store", field="url", found=url, mend=f"make it readable and writable: {error.__class__.__name__}"
        ) from error
    finally:
        engine.dispose()
    return before, HEAD_REVISION


def check_sqlite(url: str) -> tuple[str, ...]:
    """Return what SQLite's integrity check finds; empty when the store is whole or not SQLite."""
    if parse_url(url).get_backend_name() != "sqlite":
        return ()
    engine = open_engine(url, durable=True)
    try:
        with engine.connect() as connection:
            found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
            found += [f"foreign key broken in {row[0]}" for row in connection.execute(text("PRAGMA foreign_key_check"))]
    finally:
        engine.dispose()
    return tuple(line for line in found if line != "ok")
