"""Removes one student from the gradebook: nbgrader's own rows, and those of every table beside them."""

from __future__ import annotations

from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy import MetaData, create_engine, delete


def forget_student(db_url: str, student: str) -> int:
    """Delete every row that names the student, and have SQLite overwrite what it held.

    Returns:
        how many rows, or groups of rows, went.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refuses.
    """
    rows = 0
    with Gradebook(db_url) as gradebook:
        try:
            gradebook.find_student(student)
            gradebook.remove_student(student)
            rows += 1
        except MissingEntry:
            pass
    engine = create_engine(db_url)
    try:
        known = MetaData()
        known.reflect(engine)
        with engine.begin() as connection:
            for table in known.sorted_tables:
                for name in ("student", "student_id"):
                    if name in table.c:
                        rows += connection.execute(delete(table).where(table.c[name] == student)).rowcount
        if engine.dialect.name == "sqlite" and rows:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")  # else what was deleted can still be read in the file
    finally:
        engine.dispose()
    return rows
