"""A PostgreSQL server of one's own, for the tests: started, filled and stopped by them."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "s3cret/p@ss word"
"""What the user ``locked`` has to say; every other user is let in."""

_LOGINS = """\
local all all trust
host all locked 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


@dataclass(frozen=True)
class Postgres:
    """A running server; ``owner`` may do everything on it."""

    folder: Path
    port: int

    def url(self, database: str, user: str = "owner", options: str = "") -> str:
        """Return the address of a database."""
        return f"postgres://{user}@127.0.0.1:{self.port}/{database}{options}"

    def run(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the owner, and return the rows of the last one."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as con:
            for statement in statements:
                found = con.execute(statement)
            return found.fetchall() if found.description else []

    def fill(self, database: str, tables: Mapping[str, Any]) -> str:
        """Make a database with copies of DuckDB's tables, and return its address.

        Its text is sorted as English is, not by its bytes: that is how servers are.
        """
        import psycopg

        sorting = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        self.run("postgres", f"CREATE DATABASE {database} {sorting}")
        with psycopg.connect(self.url(database), autocommit=True) as con:
            for name, table in tables.items():
                schema = table.schema()
                columns = [c.sql("postgres") for c in schema.to_sqlglot_column_defs("postgres")]
                con.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
                path = self.folder / "table.csv"
                table.get_backend().raw_sql(
                    f"COPY ({table.compile()}) TO '{path}' (FORMAT csv, HEADER false)"
                )
                with con.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN CSV") as copy:
                    copy.write(path.read_bytes())
            con.execute("ANALYZE")
        return self.url(database)


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return found[0].parent if found else None


def _as_nobody_of_note() -> list[str]:
    """Return how to call the server, which refuses to be run by root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    if shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    return ["runuser", "-u", "postgres", "--"]


def running_postgres() -> Generator[Postgres, None, None]:
    """Start a server, yield it, and stop it; skip with a reason where it is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = _as_nobody_of_note()
    # Not below pytest's folder: other users may not enter it, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="promolab-pg-"))
    try:
        if user:
            shutil.chown(folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])

        def call(program: str, *options: str) -> None:
            line = [*user, str(programs / program), "-D", str(folder / "data"), *options]
            with (folder / "calls.log").open("ab") as log:
                done = subprocess.run(line, stdout=log, stderr=log, cwd="/", timeout=120)
            done.check_returncode()

        call("initdb", "-U", "owner", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        (folder / "data" / "pg_hba.conf").write_text(_LOGINS, encoding="utf-8")
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("pg_ctl", "-w", "-l", str(folder / "server.log"), "-o", settings, "start")
        try:
            server = Postgres(folder, port)
            server.run("postgres", f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            with contextlib.suppress(subprocess.SubprocessError):
                call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
