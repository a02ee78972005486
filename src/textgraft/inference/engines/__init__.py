"""Engines that compute a model's outputs: the contract, and one file each."""
