"""The top-T front end beside the same network in plain torch."""
