"""Training with the data on the device, a whole step captured, for one network on small images."""
