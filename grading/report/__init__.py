"""The report page of a graded class: one self-contained HTML file."""

from grading.report.page import report_of, write_report

__all__ = ["report_of", "write_report"]
