"""Running networks: on which runtime, in which batches, on how many cores at a time."""
