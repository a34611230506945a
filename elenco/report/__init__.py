"""Measurements of a run as Markdown and text, and pictures of faces."""
