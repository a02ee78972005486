"""Transformer encoder-decoders and the search for what they write."""
