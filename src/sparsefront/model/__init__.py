"""A front end and a classifier as one model, and how a checkpoint rebuilds it."""
