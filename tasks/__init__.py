"""Prefect tasks: one thin shell a stage. Retries, cache keys, limits, progress; no domain code."""
