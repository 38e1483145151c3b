"""A run on disk, and what one does with it later."""
