"""Which images are in which part, and how a part serves them."""
