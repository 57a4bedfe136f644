"""Files of weights, read as data, and which of them is meant."""
