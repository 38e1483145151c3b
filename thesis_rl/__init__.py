"""Learns to write structured investment theses and to be right about them."""

__version__ = "0.1.0"
