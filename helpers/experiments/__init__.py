"""Measurements and demonstrations that lessons call, one module per lesson. Students may read them; nothing here answers
a question."""
