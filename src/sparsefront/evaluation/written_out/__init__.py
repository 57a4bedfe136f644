"""A folded classifier with its backward pass to the images written out, for adversaries who ask for nothing else."""
