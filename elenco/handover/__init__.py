"""Shards handed over between machines that share no disk."""
