"""The report page of a graded class: one self-contained HTML file."""

from grading.report.page import write_report

__all__ = ["write_report"]
