"""Embeddings in, names out: training, the `unknown` answer, measuring and recognising."""
