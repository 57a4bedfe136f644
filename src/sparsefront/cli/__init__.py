"""The commands: each is `main(words) -> exit code`, and imports what it needs when it is called."""
