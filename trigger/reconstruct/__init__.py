"""From tracks and beam tracks to the quantities that searches look at."""
