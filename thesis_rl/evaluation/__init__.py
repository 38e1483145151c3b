"""What a sceptic makes of a run."""
