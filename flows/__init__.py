"""Prefect flows: the order of the stages and nothing else. File = function = deployment."""
