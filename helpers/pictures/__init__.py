"""Drawings that one lesson needs, one module per lesson. No module here contains an answer."""
