"""The stages of a replay: pure steps, and the thin processes around them."""
