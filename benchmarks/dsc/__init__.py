"""Deep sparse coding's default solver against the published dynamics and its own convolutions."""
