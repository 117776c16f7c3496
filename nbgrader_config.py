"""Read by nbgrader's own commands and by formgrader when they start in this folder."""

from pathlib import Path

from grading.course import load_course
from grading.nbgrader_config import configure

root = Path(__file__).resolve().parent
configure(get_config(), root, course=load_course(root))  # noqa: F821  (traitlets provides get_config)
