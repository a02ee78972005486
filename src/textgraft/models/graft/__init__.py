"""A pre-trained encoder with a small head, and a low-rank adapter."""
