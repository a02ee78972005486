"""From raw text to token ids on disk."""
