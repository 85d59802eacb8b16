"""The L0 trigger processor."""
