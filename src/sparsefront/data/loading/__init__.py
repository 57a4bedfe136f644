"""How batches are ordered, loaded and augmented."""
