"""How good a recogniser is: figures of searches, their uncertainty, and the ways to make them."""
