"""The folder of a run: its settings, its checkpoints, its metrics."""
