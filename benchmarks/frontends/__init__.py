"""What a front end costs."""
