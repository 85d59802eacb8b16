"""What watches a replay: counts, rates and the ledger."""
