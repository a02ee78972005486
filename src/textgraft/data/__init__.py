"""A user's file, checked, becomes records and splits."""
