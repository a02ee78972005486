"""The models that any other has to beat."""
