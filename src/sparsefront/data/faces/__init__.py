"""One person among others: pictures and names."""
