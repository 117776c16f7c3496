"""An ordinary nbgrader assignment as a lesson: notebooks in ``solutions/<name>/`` written in nbgrader's own way.

Whether a lesson is one is told by its files: it has notebooks and no source ``<name>.py``. Students get what nbgrader's
generate step makes of it. A hand-in goes through the same intake, sandbox, journal and gradebook as any lesson; its
scores are what nbgrader's `determine_grade` says of the outputs of its test cells, which is what `nbgrader autograde`
would give. Asserts run beside the student's code, so that such a score can be forged, which those of checks cannot.
"""
