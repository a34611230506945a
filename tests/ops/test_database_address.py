"""A database of one's own: what its address may say, and that the link is what it says."""

import asyncio
import os
import shutil
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prefect.context import SettingsContext
from prefect.server.database.configurations import AsyncPostgresConfiguration
from prefect.settings import Profile, Settings

from elenco.backup import postgresql
from elenco.backup.database import DatabaseUrl
from elenco.errors import ConfigError, ElencoError
from elenco.ops import postgres
from elenco.ops.database_address import variables
from tests.ops.conftest import until
from tests.ops.test_year import database

TLS = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS"
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
REFUSED = None


class Authority:
    """Signs certificates; its own is in a file."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        itself = x509.BasicConstraints(ca=True, path_length=None)
        self.file.write_bytes(self._sign(self._name, self._key, itself))

    def sign(self, host: str, folder: Path) -> tuple[Path, Path]:
        """A certificate of a host, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        hosts = x509.SubjectAlternativeName([x509.DNSName(host)])
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "server.pem").write_bytes(self._sign(name, key, hosts))
        (folder / "server.key").write_bytes(private)
        return folder / "server.pem", folder / "server.key"

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, says: x509.ExtensionType
    ) -> bytes:
        now, day, number = datetime.now(UTC), timedelta(days=1), x509.random_serial_number()
        made = x509.CertificateBuilder(self._name, name, key.public_key(), number)
        made = made.not_valid_before(now - day).not_valid_after(now + day)
        made = made.add_extension(says, critical=True).sign(self._key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)


def tls(query: str) -> dict[str, str]:
    told = variables(f"postgresql://me@db.example/p?{query}")
    return {k: v for k, v in told.items() if k.startswith((TLS, "PG"))}


def test_an_address_becomes_the_settings_of_prefect():
    assert variables("postgresql://m%40e@db.example:5433/p%2Fq") == {
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_SERVER_DATABASE_HOST": "db.example",
        "PREFECT_SERVER_DATABASE_PORT": "5433",
        "PREFECT_SERVER_DATABASE_USER": "m@e",
        "PREFECT_SERVER_DATABASE_NAME": "p/q",
    }
    assert variables("postgres://me@db.example/p")["PREFECT_SERVER_DATABASE_PORT"] == "5432"
    assert variables(postgres.address(1))["PREFECT_SERVER_DATABASE_PORT"] == "1"


def test_how_the_link_is_secured_is_handed_on(tmp_path):
    ca = str(Authority(tmp_path, "authority of mine").file)
    told = {f"{TLS}_ENABLED": "true", f"{TLS}_CA_FILE": ca}
    quoted = ca.replace(" ", "%20")
    for mode, check in {"verify-full": "true", "verify-ca": "false", "require": "false"}.items():
        expected = told | {f"{TLS}_CHECK_HOSTNAME": check}
        assert tls(f"sslmode={mode}&sslrootcert={quoted}") == expected
    for mode in ("require", "prefer", "disable"):
        assert tls(f"sslmode={mode}") == {"PGSSLMODE": mode}
    assert tls("") == {}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("hunter2", r"wants postgresql://user@host:port/name"),
        ("mysql://me@h/p", r"wants postgresql://"),
        ("postgresql://h/p", r"wants postgresql://"),
        ("postgresql://me@h", r"wants postgresql://"),
        ("postgresql://me@h/p#hunter2", r"wants postgresql://"),
        ("postgresql://me@[::1/p", r"wants postgresql://"),
        ("postgresql://me@h:hunter2/p", r"its port from 1 to 65535"),
        ("postgresql://me:hunter2/x@h/p", r"its port from 1 to 65535"),
        ("postgresql://me@h:0/p", r"its port from 1 to 65535"),
        ("postgresql://me@h:65536/p", r"its port from 1 to 65535"),
        ("postgresql://me:hunter2@h/p", r"holds a password: write it into"),
        ("postgresql://me@h/p?password=hunter2", r"takes sslmode and sslrootcert after its \?"),
        ("postgresql://me@h/p?sslmode=require&hunter2", r"takes sslmode and sslrootcert"),
        ("postgresql://me@h/p?sslmode=disable&sslmode=require", r"each once"),
        ("postgresql://me@h/p?sslmode", r"sslmode=disable, prefer, require, verify-ca or verify-f"),
        ("postgresql://me@h/p?sslmode=allow", r"sslmode=disable, prefer, require, verify-ca"),
        ("postgresql://me@h/p?sslmode=verify-ca", r"sslmode=verify-ca wants &sslrootcert="),
        ("postgresql://me@h/p?sslmode=verify-full", r"sslmode=verify-full wants &sslrootcert="),
        ("postgresql://me@h/p?sslrootcert=/x", r"sslrootcert wants sslmode=verify-full"),
        ("postgresql://me@h/p?sslmode=prefer&sslrootcert=/x", r"sslrootcert wants sslmode=verify"),
    ],
)
def test_what_an_address_can_not_say_is_refused_and_not_repeated(address, said):
    with pytest.raises(ConfigError, match=said) as caught:
        variables(address)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_authority_that_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Authority(tmp_path, "good")
    (tmp_path / "empty.pem").touch()
    for path in ("good.pem", "", "system", f"{tmp_path}/absent.pem", f"{tmp_path}/empty.pem", "/"):
        with pytest.raises(ConfigError, match="names no certificates that can be read: give the"):
            tls(f"sslmode=verify-full&sslrootcert={path}")


def asked_by_prefect(told: Mapping[str, str]) -> str | None:
    """Whether the link of its own engine is encrypted, t or f; None: it makes none."""

    async def ask() -> bool:
        url = settings.server.database.connection_url
        assert url is not None
        engine = await AsyncPostgresConfiguration(url.get_secret_value()).engine()
        try:
            async with engine.connect() as connection:
                return (await connection.execute(sa.text(ENCRYPTED))).scalar_one()
        finally:
            await engine.dispose()

    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        settings = Settings()
        with SettingsContext(profile=Profile(name="x", settings={}), settings=settings):
            try:
                return "t" if asyncio.run(ask()) else "f"  # a loop, and so an engine, of its own
            except (ConnectionError, ssl.SSLError):
                return REFUSED


def asked_by_a_backup(address: str, password: str) -> str | None:
    told = DatabaseUrl.parse(address).variables
    assert told is not None
    try:
        options = ["--no-psqlrc", "-Atqc", ENCRYPTED]
        return postgresql._run("psql", options, dict(told) | {"PGPASSWORD": password}).strip()
    except ElencoError:
        return REFUSED


def test_the_link_to_the_database_is_as_secure_as_its_address_says(
    open_folder, tmp_path, monkeypatch
):
    """For the server and for a backup alike."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "PG"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "PREFECT_HOME"):  # no authority or profile of whoever runs this
        monkeypatch.setenv(name, str(tmp_path))
    mine, other = Authority(tmp_path, "mine"), Authority(tmp_path, "other")
    by_mine, by_other = f"&sslrootcert={mine.file}", f"&sslrootcert={other.file}"
    folder, who = open_folder / "tls", postgres.account()
    with database(folder) as own:
        port = own["PREFECT_SERVER_DATABASE_PORT"]
        password = own["PREFECT_SERVER_DATABASE_PASSWORD"]

        def address(host: str, query: str) -> str:
            there = f"{host}:{port}/{postgres.DATABASE}"
            return f"postgresql://{postgres.USER}@{there}?sslmode={query}"

        def link(host: str, query: str) -> str | None:
            told = variables(address(host, query))
            found = asked_by_prefect(told | {"PREFECT_SERVER_DATABASE_PASSWORD": password})
            assert found == asked_by_a_backup(address(host, query), password), (host, query)
            return found

        def order(*statements: str) -> None:
            told = DatabaseUrl.parse(address("127.0.0.1", "prefer")).variables
            options = [f"--command={statement}" for statement in statements]
            postgresql._run("psql", options, dict(told or {}) | {"PGPASSWORD": password})

        # A server without TLS: nothing is sent to it that was to be encrypted.
        assert link("localhost", "prefer") == "f"
        assert link("localhost", "require") is REFUSED
        assert link("localhost", f"verify-full{by_mine}") is REFUSED
        for file in mine.sign("localhost", folder):
            shutil.chown(file, who.uid if who.uid is not None else -1)
            file.chmod(0o600)
        order(
            f"ALTER SYSTEM SET ssl_cert_file = '{folder}/server.pem'",
            f"ALTER SYSTEM SET ssl_key_file = '{folder}/server.key'",
            "ALTER SYSTEM SET ssl = on",
            "SELECT pg_reload_conf()",
        )
        until("TLS", lambda: asked_by_a_backup(address("localhost", "require"), password))
        assert link("localhost", f"verify-full{by_mine}") == "t"
        assert link("localhost", f"verify-full{by_other}") is REFUSED
        assert link("127.0.0.1", f"verify-full{by_mine}") is REFUSED
        assert link("127.0.0.1", f"verify-ca{by_mine}") == "t"
        assert link("127.0.0.1", f"verify-ca{by_other}") is REFUSED
        assert link("127.0.0.1", f"require{by_other}") is REFUSED
        assert link("127.0.0.1", "require") == "t"
        assert link("127.0.0.1", "prefer") == "t"
        assert link("127.0.0.1", "disable") == "f"
