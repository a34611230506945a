"""Photographs that are wrong, double or unusable: found, and told to an operator."""
