"""Prices, features and labels on the host, and the panel that carries them to JAX."""
