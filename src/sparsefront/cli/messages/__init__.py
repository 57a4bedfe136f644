"""What jsonargparse and Lightning say of a setting, as one sentence."""
