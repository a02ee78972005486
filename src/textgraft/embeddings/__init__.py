"""Pre-trained word vectors: their files, look-up and the embedding matrix."""
