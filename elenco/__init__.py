"""Elenco: who is on screen? The domain: plain functions and small classes, no orchestrator.

Importing it loads no TensorFlow; detectors, embedders and sources are found through tables.
"""
