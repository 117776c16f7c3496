"""`python -m grading` is `vitlab`."""

from grading.entry import main

main()
