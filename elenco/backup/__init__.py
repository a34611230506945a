"""Backups: data, models and Prefect's database, in a folder or an object store, and back."""
