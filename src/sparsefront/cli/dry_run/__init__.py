"""What is looked at before any work: files, names, settings, the machine."""
