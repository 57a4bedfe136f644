"""The STL front end and how it learns against SPORCO, side by side on a CPU."""
