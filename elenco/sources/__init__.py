"""Where people and their photographs come from."""
