"""Random searches side by side on the demo's defended digits."""
