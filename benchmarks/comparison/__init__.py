"""Every front end before one classifier, under one set of attacks."""
