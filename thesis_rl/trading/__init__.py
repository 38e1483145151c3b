"""Positions to weights, fills, costs and returns."""
