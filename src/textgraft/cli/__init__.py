"""One file a command: parse, call the function of the same name, print."""
