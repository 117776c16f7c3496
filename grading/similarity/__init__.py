"""Answers of one class that resemble each other more than the task explains."""

from grading.similarity.answers import Answers, answers_of
from grading.similarity.similar_pairs import Alike, Group, alike

__all__ = ["Alike", "Answers", "Group", "alike", "answers_of"]
