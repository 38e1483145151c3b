"""What one network learns from one window."""
