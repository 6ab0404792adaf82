"""A study from its first check to its summary: ask, submit, tell; budget, resume, retention."""
