"""`vitlab doctor`: what this machine offers for building and grading, what is missing, and how to get it."""

from __future__ import annotations

from grading.doctor.examine import examine
from grading.doctor.finding import Finding, print_findings

__all__ = ["Finding", "examine", "print_findings"]
