"""Many configs in one program, and what the best of them is worth."""
