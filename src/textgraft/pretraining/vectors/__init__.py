"""Word vectors trained from raw text."""
