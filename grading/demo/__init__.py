"""A made-up class of every kind of submission we know, to see and to test grading with."""

from grading.demo.classroom import Member, make_class

__all__ = ["Member", "make_class"]
