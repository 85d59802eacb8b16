"""The L1 trigger: events, the algorithms, one file each, and the decision."""
