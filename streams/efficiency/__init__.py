"""Trigger efficiencies from the truth of a simulated spill: docs/efficiency.md."""
