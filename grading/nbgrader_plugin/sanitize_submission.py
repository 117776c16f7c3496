"""The transplant as one of nbgrader's own steps: first of `Autograde.sanitize_preprocessors`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from grading.intake.normalise import normalise
from grading.intake.transplant import transplant
from grading.nbgrader_plugin.ordinary.assignment import assignment_of
from grading.nbgrader_plugin.ordinary.intake import prepare


class MissingTemplate(Exception):
    """There is no released notebook to move the answers into."""


class Transplant(NbGraderPreprocessor):
    """Replaces a submitted notebook by the released one with the student's answers in it.

    What was repaired or could not be placed is in `nb.metadata.vitlab.intake`, a list of sentences.
    """

    course = Unicode("", help="the course's folder, in which ordinary assignments are looked for").tag(config=True)
    release_directory = Unicode(
        "",
        help="Folder of the released notebooks, <lesson>/<lesson>.ipynb; default: the course's release directory.",
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        lesson, name = resources["nbgrader"]["assignment"], resources["nbgrader"]["notebook"]
        reading = normalise(nb)
        assignment = assignment_of(self.course, lesson)
        if assignment is not None:
            notebook, notes = prepare(next(part for part in assignment.parts if part.name == name), reading.notebook)
            return self._noted(notebook, [*reading.notes, *notes], resources)
        folder = self._folder()
        template = _released(folder / lesson, name)
        others = {
            path.name: _released(path, path.name)
            for path in sorted(folder.iterdir())
            if path.name != lesson and (path / f"{path.name}.ipynb").is_file()
        }
        done = transplant(template, reading.notebook, others)
        return self._noted(done.notebook, [*reading.notes, *done.notes], resources)

    def _noted(self, notebook: NotebookNode, notes: list[str], resources: dict[str, Any]) -> tuple[NotebookNode, dict]:
        for note in notes:
            self.log.warning("%s: %s", resources["nbgrader"].get("student", "?"), note)
        notebook.metadata.setdefault("vitlab", NotebookNode())["intake"] = notes
        return notebook, resources

    def _folder(self) -> Path:
        if self.release_directory:
            return Path(self.release_directory)
        course = self.config.CourseDirectory
        release = course.get("release_directory", "release")
        return Path(str(course.get("root", ""))) / str(release)


def _released(folder: Path, name: str) -> NotebookNode:
    """The released notebook of a lesson.

    Raises:
        MissingTemplate: there is none.
    """
    path = folder / f"{name}.ipynb"
    if not path.is_file():
        raise MissingTemplate(f"{path} is not there: build the lesson (`vitlab build {folder.name}`) before grading it")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> NotebookNode:
    return nbformat.read(path, as_version=4)
