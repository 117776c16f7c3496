"""nbgrader's configuration, used by our commands and by nbgrader's own: `nbgrader autograde`, formgrader, validate.

The file `nbgrader_config.py` in the course's folder loads this.
"""

from __future__ import annotations

import os
from pathlib import Path

from traitlets.config import Config

from grading.course import Course, load_course
from grading.extensions import course_extensions
from grading.nbgrader_plugin.formgrader_panel import extend_formgrader
from grading.nbgrader_plugin.formulas import TEMPLATES
from grading.nbgrader_plugin.generate import PREPROCESSORS
from grading.nbgrader_plugin.grader_log import watch_persons


def configure(
    c: Config,
    root: Path,
    data: Path | None = None,
    *,
    db_url: str | None = None,
    course: Course | None = None,
) -> Config:
    """Fill `c` for the course in `root`; `data` holds submissions, results and the gradebook.

    `course` sets the late penalties, and with its `extensions.csv` the students' own due dates.
    """
    data = Path(data) if data else root / "course_data"
    c.CourseDirectory.root = str(root)
    c.CourseDirectory.source_directory = "solutions"
    c.CourseDirectory.release_directory = "notebooks"
    c.CourseDirectory.submitted_directory = str(data / "submitted")
    c.CourseDirectory.autograded_directory = str(data / "autograded")
    c.CourseDirectory.feedback_directory = str(data / "feedback")
    c.CourseDirectory.db_url = db_url or f"sqlite:///{data / 'gradebook.db'}"
    c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".pytest_cache", *_stays(root)]
    c.GenerateAssignment.preprocessors = list(PREPROCESSORS)
    c.Autograde.sanitize_preprocessors = [
        "grading.nbgrader_plugin.sanitize_submission.Transplant",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Autograde.autograde_preprocessors = [
        "grading.nbgrader_plugin.autograde.ExecuteInSandbox",
        "grading.nbgrader_plugin.autograde.JudgeAnswers",
        "grading.nbgrader_plugin.carry_over.SaveGrades",
        "grading.nbgrader_plugin.late_penalty.LatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
        "grading.nbgrader_plugin.rubrics.ShowRubrics",
    ]
    c.GenerateFeedback.preprocessors = [
        "grading.nbgrader_plugin.rubrics.HideRubrics",
        "grading.nbgrader_plugin.feedback_facts.ShowGrades",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    c.HTMLExporter.filters = {
        "markdown2html": "grading.nbgrader_plugin.formulas.markdown2html",
        "comment2html": "grading.nbgrader_plugin.formulas.comment2html",
    }
    c.HTMLExporter.extra_template_basedirs = TEMPLATES
    c.Transplant.release_directory = str(root / "notebooks")
    c.Transplant.course = c.ExecuteInSandbox.course = c.JudgeAnswers.course = str(root)
    c.ShowRubrics.course = c.ShowGrades.course = str(root)
    if course is not None:
        c.CourseDirectory.course_id = course.course.id
        c.LatePenalties.rates = {lesson.id: lesson.late_penalty_per_day for lesson in course.lessons}
        granted = course_extensions(course)
        c.LatePenalties.extra_seconds = {lesson.id: granted.extra_seconds(lesson) for lesson in course.lessons}
        c.LatePenalties.excused = {lesson.id: granted.excused_from(lesson.id) for lesson in course.lessons}
    return c


def _stays(root: Path) -> list[str]:
    """Patterns for what lies beside a built lesson's solution and never travels: its source and its mistakes.

    nbgrader ignores names, not paths. Where an ordinary assignment has files of these kinds for its students, the
    names of the built lessons' own files take the place of the patterns.
    """
    kinds = ("*.py", "*.md", "*.safetensors")
    folders = [folder for folder in (root / "solutions").glob("*") if folder.is_dir()]
    built = [folder for folder in folders if (folder / f"{folder.name}.py").is_file()]
    given = [path for folder in folders if folder not in built for kind in kinds for path in folder.rglob(kind)]
    if not given:
        return list(kinds)
    own = {path.name for folder in built for kind in kinds for path in folder.rglob(kind)}
    return ["mistakes.py", "[0-9][0-9]_*.py", *sorted(own)]


def configure_folder(c: Config, file: str | Path) -> Config:
    """Fill `c` for the course in whose folder `file`, its nbgrader_config.py, lies.

    Submissions, results and the gradebook lie in course_data/, or where VITLAB_COURSE_DATA says.
    """
    root = Path(file).resolve().parent
    data = Path(os.environ.get("VITLAB_COURSE_DATA", root / "course_data")).resolve()
    data.mkdir(parents=True, exist_ok=True)  # formgrader keeps its gradebook there
    watch_persons()  # who gave a score in formgrader, and when
    extend_formgrader()
    return configure(c, root, data, course=load_course(root))
