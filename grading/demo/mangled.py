"""Files that editors, or the students themselves, have damaged."""

from __future__ import annotations

import json

import nbformat

from grading.demo.lesson_kit import File, LessonKit, as_saved, cell_at, made_up_id


def duplicated(kit: LessonKit) -> File:
    """Imitates copy and paste of a graded cell: two cells with one grade id, which stops nbgrader (#1083).

    The student kept the blank original and answered in the copy below.
    """
    notebook = kit.solved()
    question = kit.questions[0]
    at = cell_at(notebook, "answer", question)
    blank = kit.notebook().cells[at]
    filled = nbformat.from_dict(json.loads(json.dumps(notebook.cells[at])))
    filled["id"] = made_up_id("copy", kit.lesson)
    notebook.cells[at : at + 1] = [blank, filled]
    return kit.hand_in(notebook)


def check_edited(kit: LessonKit) -> File:
    """Imitates who unlocked the check cells, left the answers blank and made each check show full marks."""
    notebook = kit.notebook(written=2)
    for question in kit.questions:
        cell = notebook.cells[cell_at(notebook, "check", question)]
        cell.source = f"{kit.points(question):g}  # all tests passed"
        cell.metadata.pop("deletable", None)
        cell.metadata["editable"] = True
    return kit.hand_in(notebook)


def check_deleted(kit: LessonKit) -> File:
    """Imitates who tidied up: the first question's check cell is gone, the answers are right."""
    notebook = kit.solved(written=1)
    del notebook.cells[cell_at(notebook, "check", kit.questions[0])]
    return kit.hand_in(notebook)


def colab(kit: LessonKit) -> File:
    """Imitates a round trip through Colab at its worst: format 4.0, ids only in Colab's own metadata, ours all gone."""
    saved = as_saved(kit.solved(written=2))
    for number, cell in enumerate(saved["cells"]):
        cell.pop("id", None)
        cell["metadata"] = {"id": made_up_id("colab", kit.lesson, number, length=12)}
        if cell["cell_type"] == "code":
            cell["metadata"]["colab"] = {"base_uri": "https://localhost:8080/"}
    saved["metadata"] = {
        "accelerator": "GPU",
        "colab": {"name": f"Copy of {kit.lesson}.ipynb", "provenance": [], "gpuType": "T4"},
        "kernelspec": {"display_name": "Python 3", "name": "python3"},
    }
    saved["nbformat_minor"] = 0
    return File(f"{kit.lesson}.ipynb", json.dumps(saved, indent=2).encode())


def vscode(kit: LessonKit) -> File:
    """Imitates VS Code on Windows: new cell ids, its own metadata, `\\r\\n` in sources, a kernel of another name."""
    saved = as_saved(kit.solved(written=1))
    for number, cell in enumerate(saved["cells"]):
        cell["id"] = made_up_id("vscode", kit.lesson, number)
        cell["source"] = [line.replace("\n", "\r\n") for line in cell["source"]]
        if cell["cell_type"] == "code":
            cell["metadata"]["vscode"] = {"languageId": "python"}
            cell["execution_count"] = number + 1
    saved["metadata"]["kernelspec"] = {"display_name": ".venv (3.12.4)", "language": "python", "name": "python3"}
    saved["metadata"]["language_info"] = {
        "codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py", "mimetype": "text/x-python",
        "name": "python", "nbconvert_exporter": "python", "pygments_lexer": "ipython3", "version": "3.12.4",
    }  # fmt: skip
    saved["metadata"]["orig_nbformat"] = 4
    return File(f"{kit.lesson}.ipynb", json.dumps(saved, indent=1, ensure_ascii=False).encode())


def unreadable(kit: LessonKit) -> File:
    """Imitates an upload that broke off: the JSON ends in the middle."""
    whole = kit.hand_in(kit.solved())
    return File(whole.name, whole.data[: len(whole.data) // 3])
