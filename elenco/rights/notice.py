"""What whoever shows a source's people has to say."""

# TMDB's terms of use ask for these words.
TMDB_NOTICE = (
    "This product uses TMDB and the TMDB APIs but is not endorsed, certified, or otherwise "
    "approved by TMDB."
)


def notice_of(*sources: str | None) -> str:
    """The words that go with what came from these kinds of sources; empty where there are none."""
    return TMDB_NOTICE if "tmdb" in sources else ""
