"""The sparse coders against what users would pick instead, side by side on a CPU."""
