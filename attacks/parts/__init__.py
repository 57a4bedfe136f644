"""What several attacks are built of. Nothing in here is an attack, and YAML names none of it."""
