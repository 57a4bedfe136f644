"""What a change of a few pixels changes of what comes of an image."""
