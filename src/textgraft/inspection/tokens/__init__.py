"""Which words of a text carry a prediction."""
