"""Read by nbgrader's own commands and by formgrader when they start in this folder.

Submissions, results and the gradebook lie in course_data/, or where VITLAB_COURSE_DATA says.
"""

import os
from pathlib import Path

from grading.course import load_course
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.grader_log import watch_persons

root = Path(__file__).resolve().parent
data = Path(os.environ.get("VITLAB_COURSE_DATA", root / "course_data")).resolve()
data.mkdir(parents=True, exist_ok=True)  # formgrader keeps its gradebook there
configure(get_config(), root, data, course=load_course(root))  # noqa: F821  (traitlets provides get_config)
watch_persons()  # who gave a score in formgrader, and when
