"""Beam intensity along a spill, and its quality, from counts in frames."""
