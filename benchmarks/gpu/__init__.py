"""What a GPU is needed for: `run_all` does it all in a given time, `pack` readies it for a machine without network."""
