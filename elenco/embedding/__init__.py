"""Aligned faces in, unit vectors out: the embedders and the stage that runs them."""
