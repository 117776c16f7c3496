"""Reads a lesson's source file, ``solutions/<id>/<id>.py``: cells, questions, points, and the blanks in each answer.

Building, judging and the nbgrader adapter all start from what is read here, so that this package imports none of them.
"""
