"""What the source of the project tells without an import."""
