"""The migrations make exactly the tables of the models, forth and back, and ship with the program."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from controller.records import exporting
from controller.records.access_tables import PRIVATE
from controller.records.base import HEAD_REVISION, Base
from controller.records.store import open_engine, revision, upgrade
from migrations.upgrade import config, newest_revision, run_migrations


def test_the_program_expects_the_newest_migration() -> None:
    assert newest_revision() == HEAD_REVISION


def test_migrated_tables_are_the_models(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    assert upgrade(url) == (None, HEAD_REVISION)
    assert upgrade(url) == (HEAD_REVISION, HEAD_REVISION)
    engine = open_engine(url, durable=True)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert set(inspect(connection).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
        assert not PRIVATE & set(exporting.table_names())
    engine.dispose()


def test_migrations_go_back_to_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.sqlite'}", durable=True)
    run_migrations(engine)
    settings = config()
    with engine.connect() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")
        connection.commit()
    assert revision(engine) is None
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_every_constraint_has_a_name() -> None:
    for table in Base.metadata.sorted_tables:
        assert all(constraint.name for constraint in table.constraints), table.name
