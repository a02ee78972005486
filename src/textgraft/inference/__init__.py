"""Encode and predict fast."""
