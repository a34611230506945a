"""Who is on screen in a video: decode, cut into shots, track faces, name the tracks."""
