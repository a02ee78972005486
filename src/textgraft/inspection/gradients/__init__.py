"""How far a gradient reaches: through the user's model and text, and in small networks on synthetic tasks."""
