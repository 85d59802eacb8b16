"""Searches for new particles in what the trigger accepts: one file each."""
