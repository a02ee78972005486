"""Which chapter of the Python Library Reference describes which module.

Written from the table of contents of the reference for Python 3.11 to 3.14; a module that moved between
chapters keeps one place here. Left out: chapters with few docstrings or without a subject of their own,
modules that are missing from some builds (tkinter, curses, venv, ensurepip, idlelib), and tests. A name that
begins with an underscore is the Python source behind a module; modules that a version lacks are not found.
"""

from __future__ import annotations

CHAPTERS: dict[str, tuple[str, ...]] = {
    "Data Types": (
        "datetime", "_pydatetime", "_strptime", "zoneinfo", "calendar", "collections", "_collections_abc",
        "heapq", "bisect", "weakref", "_weakrefset", "types", "copy", "pprint", "reprlib", "enum", "graphlib",
    ),
    "Numeric and Mathematical Modules": (
        "numbers", "_pydecimal", "fractions", "random", "statistics",
    ),
    "File and Directory Access": (
        "pathlib", "posixpath", "ntpath", "genericpath", "stat", "filecmp", "tempfile", "glob", "fnmatch",
        "linecache", "shutil", "fileinput",
    ),
    "Data Compression and Archiving": (
        "gzip", "bz2", "lzma", "zipfile", "tarfile", "compression", "_compression",
    ),
    "Generic Operating System Services": (
        "os", "_pyio", "logging", "platform", "ctypes", "argparse", "optparse", "getopt", "getpass",
    ),
    "Concurrent Execution": (
        "threading", "_threading_local", "multiprocessing", "concurrent", "subprocess", "sched", "queue",
    ),
    "Networking and Interprocess Communication": (
        "asyncio", "socket", "ssl", "selectors", "signal",
    ),
    "Internet Data Handling": (
        "email", "json", "mailbox", "mimetypes", "base64", "quopri",
    ),
    "Structured Markup Processing Tools": (
        "html", "xml", "_markupbase",
    ),
    "Internet Protocols and Support": (
        "webbrowser", "wsgiref", "urllib", "http", "ftplib", "poplib", "imaplib", "smtplib", "uuid",
        "socketserver", "xmlrpc", "ipaddress",
    ),
    "Development Tools": (
        "typing", "pydoc", "doctest", "unittest",
    ),
    "Importing Modules": (
        "zipimport", "pkgutil", "modulefinder", "runpy", "importlib",
    ),
}  # fmt: skip
"""Modules and packages by the title of their chapter."""
