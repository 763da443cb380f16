"""Opens the database of a scoreboard: SQLite in one file, or PostgreSQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from harness.errors import BadInputError, MissingPackageError

CACHE_KIB = 512
"""Memory of each connection to SQLite; what it reads is mapped, and shared by all of them."""
_MAPPED = "mmap_size=268435456"  # one copy for all connections, which the system takes back when it needs to
_LOG_BYTES = 64 * 1024 * 1024  # making all anew lets the log grow to the size of the file
_PAGE_BYTES = 8 * 1024  # of a new file; cards leave half of the usual 4 KiB empty
_WAIT_S = 30
_STATEMENTS = 100  # compiled ones that are kept
_KINDS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_HINT = "sqlite:///board.sqlite or postgresql://user@host/name"


def open_database(url: str) -> sa.Engine:
    """Connect to a database.

    SQLite keeps a write-ahead log, so that readers never wait for the writer; a power cut may lose the last changes
    but never tears the file, and the files of the records bring the rest back.

    Raises:
        BadInputError: the address is none, its kind is not supported, or nobody answers there.
        MissingPackageError: the driver is not installed.
    """
    address = _address(url)
    shown = address.render_as_string(hide_password=True)
    options: dict[str, Any] = (
        {"connect_args": {"timeout": _WAIT_S}, "pool_size": 8, "max_overflow": 32}
        if address.drivername == "sqlite"
        else {}
    )
    if address.drivername != "sqlite":
        options = {"connect_args": {"connect_timeout": _WAIT_S}, "pool_pre_ping": True}
    try:
        engine = sa.create_engine(address, query_cache_size=_STATEMENTS, **options)
        if address.drivername == "sqlite":
            _prepare_sqlite(engine)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except ImportError as error:
        raise MissingPackageError(f"the driver of {shown} is not installed: {error}", "pip install psycopg") from None
    except sa.exc.SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise BadInputError(f"{shown} cannot be opened: {cause[0] if cause else error}", _HINT) from None
    return engine


def _address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The text may hold a password.
        raise BadInputError("the address of the database cannot be read", _HINT) from None
    kind = address.drivername.partition("+")[0]
    if kind not in _KINDS or address.drivername not in (kind, _KINDS[kind]):
        raise BadInputError(f"a database of kind {address.drivername} is not supported", _HINT)
    address = address.set(drivername=_KINDS[kind])
    if kind == "sqlite" and address.database in (None, "", ":memory:"):
        raise BadInputError("a scoreboard's SQLite needs a file", _HINT)
    return address


def _prepare_sqlite(engine: sa.Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        del record
        # The driver would begin transactions by itself, and not before changes of tables.
        connection.isolation_level = None
        for pragma in (
            f"page_size={_PAGE_BYTES}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"cache_size=-{CACHE_KIB}",
            "temp_store=MEMORY",
            _MAPPED,
            f"journal_size_limit={_LOG_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # A reader that turned writer in the middle would find itself locked out.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
