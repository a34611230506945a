"""Where a server's mail and posts to Slack arrive instead: both with TLS, on this machine.

The servers under test are other processes: they reach these by `environment` alone, which makes
them trust `certificate` and go through a proxy. Their own code and libraries are as they are.
"""

import http.server
import ipaddress
import json
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SLACK = "hooks.slack.com"
SLACK_PATH = "/services/T0SECRET/B0SECRET/s3cr3tOfSlack"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of Slack's name and this machine, and its key; it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sinks")])
    names = [x509.DNSName(SLACK), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now, day = datetime.now(UTC), timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "certificate.pem", folder / "key.pem"


class _Sink(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, handler: type[socketserver.StreamRequestHandler], tls: ssl.SSLContext):
        self.tls = tls
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Handler(socketserver.StreamRequestHandler):
    server: _Sink

    def encrypt(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()


class MailSink(_Sink):
    """An SMTP server that wants STARTTLS and a password, and keeps what it takes."""

    def __init__(self, tls: ssl.SSLContext):
        self.taken: list[tuple[list[str], EmailMessage]] = []  # recipients, message
        super().__init__(_Smtp, tls)

    @property
    def url(self) -> str:
        return (
            f"mailtos://elenco:s3cr3t%40Mail@127.0.0.1:{self.port}"
            "?from=elenco@example.com&to=ops@example.com,night@example.com"
        )


class _Smtp(_Handler):
    server: MailSink

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        secure = known = False
        recipients: list[str] = []
        self.say("220 sink")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self.say("250-sink\r\n250 AUTH PLAIN" if secure else "250-sink\r\n250 STARTTLS")
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.encrypt()
                secure = True
            elif verb == "AUTH":  # base64 of \0elenco\0s3cr3t@Mail
                known = secure and line.split()[2] == "AGVsZW5jbwBzM2NyM3RATWFpbA=="
                self.say("235 welcome" if known else "535 no")
            elif verb == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
                self.say("250 fine" if known else "530 who are you?")
            elif verb == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                text = b"".join(one.removeprefix(b".") for one in lines)
                message = message_from_bytes(text, policy=policy.default)
                assert isinstance(message, EmailMessage)
                self.server.taken.append((recipients, message))
                recipients = []
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")


class SlackSink(_Sink):
    """A proxy that is Slack itself, as far as its incoming webhooks go, and keeps what it takes."""

    def __init__(self, tls: ssl.SSLContext):
        self.posted: list[dict[str, Any]] = []
        super().__init__(_Proxy, tls)

    @property
    def url(self) -> str:
        return f"https://{SLACK}{SLACK_PATH}"


class _Proxy(_Handler, http.server.BaseHTTPRequestHandler):
    server: SlackSink

    def do_CONNECT(self) -> None:
        if self.path != f"{SLACK}:443":
            self.send_error(403)
            return
        self.send_response(200)
        self.end_headers()
        self.encrypt()
        self.close_connection = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = (self.headers["Host"], self.path) == (SLACK, SLACK_PATH)
        if right and self.headers["Content-Type"].startswith("application/json"):
            self.server.posted.append(json.loads(body))
        self.send_response(200 if right else 404)
        self.end_headers()
        self.wfile.write(b"ok" if right else b"no_service")  # Slack's own words

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


@dataclass
class Sinks:
    """Both, and the variables by which other processes find them."""

    mail: MailSink
    slack: SlackSink
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def running(folder: Path) -> Iterator[Sinks]:
    """Both, until the block ends; `folder` gets the certificate."""
    public, private = certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, private)
    with MailSink(tls) as mail, SlackSink(tls) as slack:
        for server in (mail, slack):
            Thread(target=server.serve_forever, daemon=True).start()
        found = {"SSL_CERT_FILE": str(public), "REQUESTS_CA_BUNDLE": str(public)}
        found |= {
            "https_proxy": f"http://127.0.0.1:{slack.port}",
            "no_proxy": "127.0.0.1,localhost",
        }
        yield Sinks(mail, slack, found)
        for server in (mail, slack):
            server.shutdown()
