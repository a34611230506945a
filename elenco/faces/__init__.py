"""From a picture to the canonical crop of one face: decode, detect, choose, align."""
