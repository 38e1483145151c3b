"""Every fold and seed in one program, and the unseen days traded."""
