"""What an adversary knows of a defended model."""
