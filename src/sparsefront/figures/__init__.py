"""Pictures of arrays, as matplotlib figures that know of no screen."""
