"""A Spark session from an address: where it runs, where the tables lie, and what it needs here."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from promolab.engines.addresses import filled, sentence, shown
from promolab.engines.engine import MEMORY_VARIABLE, memory_limit, scratch
from promolab.errors import DataError, InputError, MissingExtraError

HERE = "127.0.0.1"
LOCAL_MEMORY = "2g"
"""What a session in this process may hold, where neither the address nor a variable says."""
HUGE = "spark.sql.codegen.hugeMethodLimit"
"""Bytes from which on a step's code is not made in one piece: Java interprets longer ones."""
_FORM = (
    "expected spark://local/DATABASE, spark:///FOLDER/OF/PARQUET, or HOST:PORT of a master in "
    "place of local"
)


def place_of(url: str) -> tuple[str, str | None, str | None]:
    """Return what an address states: the master's host and port, a database, a folder.

    Parameters
    ----------
    url : str
        ``spark://PLACE/WHAT``; the place is ``local``, empty or ``HOST:PORT``, and what holds a
        slash is a folder.

    Raises
    ------
    InputError
        The place is none of these.

    Examples
    --------
    >>> place_of("spark:///data/shop"), place_of("spark://local/shop")
    (('local', None, '/data/shop'), ('local', 'shop', None))
    >>> place_of("spark://host:7077/s3a://bucket/shop")
    ('host:7077', None, 's3a://bucket/shop')
    """
    place, _, what = url.partition("://")[2].partition("?")[0].partition("/")
    if not place:
        return "local", None, f"/{what}" if what else None
    if place != "local" and not re.fullmatch(r"[\w.-]+:\d{1,5}", place):
        raise InputError(f"{shown(url)} names no place where Spark runs; {_FORM}")
    if "/" in what:
        return place, None, what
    return place, what or None, None


def open_spark(url: str, threads: int | None = None) -> Any:
    """Open what an address of Spark names; it is only read.

    Parameters
    ----------
    url : str
        As `place_of` takes it; settings of Spark may follow: ``?spark.driver.memory=4g``.
    threads : int, optional
        Of a session in this process; by default as many as there are cores.

    Raises
    ------
    MissingExtraError
        pyspark is not installed.
    InputError
        There is no Java, or the address is wrong.
    DataError
        Spark does not start.
    """
    _check_installed()
    place, database, folder = place_of(url)
    session = _session(url, place, threads)
    from promolab.engines.spark import Cluster

    con = Cluster().connect(session, url=url, folder=folder)
    if database is not None:
        con.use(database)
    return con


def of_session(session: Any) -> Any:
    """Return a connection to a session that somebody else has started."""
    from promolab.engines.spark import Cluster

    return Cluster().connect(session)


def _check_installed() -> None:
    if importlib.util.find_spec("pyspark") is None:
        raise MissingExtraError("reading Spark", "spark")
    home = os.environ.get("JAVA_HOME")
    if shutil.which(str(Path(home) / "bin" / "java") if home else "java") is None:
        where = f"JAVA_HOME = {home} holds none" if home else "there is none on PATH"
        raise InputError(
            f"Spark runs on Java 17 or newer, and {where}; install one (Debian: apt-get install "
            "default-jre-headless) or let JAVA_HOME name its folder"
        )


def _session(url: str, place: str, threads: int | None) -> Any:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    master = f"local[{threads or '*'}]" if place == "local" else f"spark://{place}"
    options = _options(place) | dict(parse_qsl(filled(url, quoted=False).partition("?")[2]))
    try:
        running = SparkSession.getActiveSession()
        if running is not None:  # one process has one; its settings are somebody else's
            there = str(running.sparkContext.master)
            if place != "local" and there != master:
                raise InputError(
                    f"this process has a Spark session of {there}, and one process has one: open "
                    f"{shown(url)} in another process, or stop that session"
                )
            session = running.newSession()
            for name in ("spark.sql.session.timeZone", HUGE):
                session.conf.set(name, options[name])
            return session
        if place == "local":
            # Its workers are started as `python3`, which may be any Python; and what this machine
            # is called need not be an address.
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            os.environ.setdefault("SPARK_LOCAL_IP", HERE)
        settings: dict[str, Any] = {"spark.master": master, **options}
        session = SparkSession.builder.config(map=settings).getOrCreate()
        session.conf.get("spark.sql.session.timeZone")  # only now it reads its settings
        return session
    except (PySparkException, Py4JError, RuntimeError) as error:
        raise DataError(
            f"Spark does not start for {shown(url)} ({sentence(root(error), url)}); it needs "
            "Java 17 or newer, and a master that can be reached"
        ) from None


def root(error: BaseException) -> BaseException:
    """Return what lies at the bottom of an error, whose first line says only where it arose.

    Parameters
    ----------
    error : Exception
        Of pyspark or Py4J: with the lines of a program that Java ran, or that ran Python.
    """
    said = str(error)
    _, executor, python = said.partition("Traceback (most recent call last):")
    if executor:
        found = re.findall(r"^[A-Za-z_.]+(?:Error|Exception|Warning)\b.*$", python, re.MULTILINE)
    elif said.startswith("An error occurred while calling") or "JVM stacktrace:" in said:
        found = re.findall(r"^(?:Caused by)?: (?:[\w$]+\.)*(.+)$", said, re.MULTILINE)
    else:
        found = []
    return RuntimeError(found[-1]) if found else error


def _options(place: str) -> dict[str, str]:
    found = {
        "spark.app.name": "promolab",
        "spark.sql.session.timeZone": "UTC",
        HUGE: "8000",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "FATAL",  # what goes wrong is said in a sentence
    }
    if place != "local":
        return found
    stated = os.environ.get(MEMORY_VARIABLE, "").strip()
    return found | {
        "spark.driver.memory": memory_limit().removesuffix("B").lower() if stated else LOCAL_MEMORY,
        "spark.driver.host": HERE,
        "spark.driver.bindAddress": HERE,
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch()),
    }
