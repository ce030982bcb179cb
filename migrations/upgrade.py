"""Running the migrations from an installed program: no ini file, the scripts lie in this package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine


def config() -> Config:
    """Return Alembic's configuration with the scripts of this package."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.set_main_option("path_separator", "os")
    return settings


def newest_revision() -> str:
    """Return the newest migration in this package."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    if head is None:
        raise RuntimeError("the package holds no migration")
    return head


def run_migrations(engine: Engine, target: str = "head") -> None:
    """Bring the store behind ``engine`` to ``target``, in one transaction a migration."""
    settings = config()
    with engine.connect() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, target)
        connection.commit()
