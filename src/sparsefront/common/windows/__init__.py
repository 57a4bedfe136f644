"""What a small change of an image changes of what comes of it."""
