"""Messages between stages and the links that carry them."""
