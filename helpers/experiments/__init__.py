"""Measurements and demonstrations that lessons call. Students may read them; nothing here answers a question."""
