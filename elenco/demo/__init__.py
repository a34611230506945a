"""A cast to try Elenco on, and a server that answers as TMDB does, all on this machine."""
