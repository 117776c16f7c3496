"""`python -m grading` is `vitlab`."""

from grading.cli import main

main()
