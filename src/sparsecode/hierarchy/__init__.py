"""Stacked layers of locally competing neurons: their energy, and two ways to its least."""
