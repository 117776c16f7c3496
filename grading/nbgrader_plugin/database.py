"""Makes a gradebook's database: nbgrader's tables, and ours beside them."""

from __future__ import annotations

from nbgrader import api, dbutil
from sqlalchemy import column as named
from sqlalchemy import create_engine, func, insert, inspect, select, table

from grading.nbgrader_plugin.hand_scores import make_tables


def make_database(db_url: str) -> None:
    """As Gradebook does for a new database, which starts the `alembic` command for its newest version's name."""
    engine = create_engine(db_url)
    try:
        if inspect(engine).get_table_names():
            with engine.begin() as connection:
                make_tables(connection)
            return
        from alembic.script import ScriptDirectory

        newest = ScriptDirectory(dbutil.ALEMBIC_DIR).get_current_head()
        versions = table("alembic_version", named("version_num"))
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # else each table would be made for itself
            api.Base.metadata.create_all(connection)
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            if not connection.scalar(select(func.count()).select_from(versions)):
                connection.execute(insert(versions).values(version_num=newest))
            make_tables(connection)
    finally:
        engine.dispose()
