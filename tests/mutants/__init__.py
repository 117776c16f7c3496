"""Mutants of the solutions: small changes of the syntax tree that a check has to notice.

`python -m tests.mutants [LESSON …]` judges them all and prints, per question, how many were made, killed, equivalent,
explained (`explained.toml`) and survived. `tests/test_mutants.py` judges a sample.
"""
