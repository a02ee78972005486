"""What asks a service: neither torch nor a web framework is loaded."""
