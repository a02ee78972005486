"""From scores to a verdict: curves, savings, the choice and its sentences."""
