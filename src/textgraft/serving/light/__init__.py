"""Trained models without torch: an engine's graph on disk computes the encoder, numpy the head."""
