"""The recurrent family: cells, encoder and its heads."""
