"""From whatever a student handed in to our own notebook with the student's answers in it.

`find` lists submissions, `read` turns a file into a valid notebook, `transplant` moves its answers into the released
notebook, `preprocessor` does the last for nbgrader's own commands. None of it runs a student's code.
"""
