"""The parts of `run_all`, one a file: each has `run`, which does its entries in the order of their worth."""
