"""Whether a process of the topology does its work, found out as its clients would."""

import socket
import urllib.error
import urllib.request

ANSWER_SECONDS = 5


def free_port() -> int:
    """A port of the loopback interface that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url: str) -> bool:
    """Whether a GET is answered with 200, without a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            return answer.status == 200
    except (OSError, ValueError, urllib.error.URLError):
        return False


def listens(port: int) -> bool:
    """Whether somebody accepts connections at a port of the loopback interface."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS):
            return True
    except OSError:
        return False


def main(url: str) -> None:
    """Exit 0 if `url` answers, else 1: a container's health check, without curl."""
    raise SystemExit(0 if answers(url) else 1)


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
