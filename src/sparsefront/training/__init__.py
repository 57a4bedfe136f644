"""How a model is trained: stage one, objectives, stopping and going on."""
