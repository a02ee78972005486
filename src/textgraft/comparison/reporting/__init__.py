"""How a comparison is shown: the terminal, the report and its figures."""
