"""All looks at the machine, in the order of the table."""

from __future__ import annotations

from pathlib import Path

from grading.course import FILE, PLACEHOLDER, CourseError, find_root, load_course
from grading.doctor import machine, packages
from grading.doctor.finding import Finding


def examine(folder: Path | None = None) -> list[Finding]:
    """What this machine offers, and whether the course around `folder` (default: the current folder) is ready."""
    root, course = _course(folder)
    return [
        packages.engine(), packages.python(), packages.torch(), packages.instructor_packages(),
        *packages.names(root / "notebooks" if (root / "notebooks").is_dir() else root), packages.extensions(),
        machine.bubblewrap(), machine.user_namespaces(), machine.cgroups(), machine.graphics(), machine.browser(),
        *machine.disk(root), *course,
    ]  # fmt: skip


def _course(folder: Path | None) -> tuple[Path, list[Finding]]:
    here = folder or Path.cwd()
    try:
        course = load_course(folder if folder else find_root())
    except CourseError as error:
        if folder is None and not any((place / FILE).is_file() for place in (here, *here.parents)):
            found = f"{here} lies in no course"
            return here, [Finding("course", "note", found, 'vitlab init FOLDER --title "…"')]
        return here, [Finding("course", "missing", str(error), f"mend {FILE}")]
    lessons = f"{len(course.lessons)} lesson{'s' * (len(course.lessons) != 1)}"
    findings = [Finding("course", "ok", f"{course.course.title}, {lessons}, {course.root}")]
    if course.course.repository == PLACEHOLDER:
        found = f"{FILE} still names {PLACEHOLDER}: Colab opens ViT Lab's own lessons, not yours"
        todo = f"write your own owner/name at `repository` in {course.root / FILE}, then vitlab build"
        findings.append(Finding("repository", "note", found, todo))
    else:
        findings.append(Finding("repository", "ok", f"{course.course.repository} at {course.course.ref}"))
    not_built = [one.id for one in course.lessons if not course.expectations(one.id).is_file()]
    if not_built:
        findings.append(Finding("lessons", "missing", f"not built: {', '.join(not_built)}", "vitlab build"))
    return course.root, findings
