"""What a front end made of images, on disk."""
