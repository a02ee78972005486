"""What a word's neighbours make of its vector."""
