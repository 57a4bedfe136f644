"""Attacks against those of other toolboxes."""
