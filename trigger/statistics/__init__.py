"""Statistics of counts: efficiencies, significances, limits, and the scan of a spectrum for peaks."""
