"""A service from its start to its graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, as_source
from textgraft.errors import MissingExtraError, OptionError, TextgraftError
from textgraft.inference.encodable import read_texts
from textgraft.inference.encode import CALIBRATION_TEXTS
from textgraft.inference.engines.openvino import SERVED_ENTRIES, keep_shapes
from textgraft.serving.keys import VARIABLE, Keys, read_keys
from textgraft.serving.limits import Limits
from textgraft.serving.loading import Named, identity, load_models
from textgraft.serving.registry import ServedModel

if TYPE_CHECKING:
    import uvicorn

    from textgraft.serving.gate import App
    from textgraft.serving.service import Service

logger = logging.getLogger(__name__)

LOCAL = ("127.0.0.1", "::1", "localhost")
PORT = 8765
_BACKLOG = 2048
_IDLE = 30
"""Seconds that a connection may be idle."""


@dataclass(frozen=True)
class Chosen:
    """What is served, and how."""

    models: tuple[Named, ...]
    challengers: tuple[Named, ...] = ()
    """Each called as the model that it challenges."""
    engine: str = "auto"
    precision: str = "auto"
    calibration: tuple[str, ...] = ()

    def load(self, models: Sequence[Named]) -> list[ServedModel]:
        """Load models as is chosen."""
        return load_models(models, engine=self.engine, precision=self.precision, calibration=self.calibration)


def serve(
    models: Sequence[str] = (),
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    keys: Path | None = None,
    shadow: Sequence[str] = (),
    engine: str = "auto",
    precision: str = "auto",
    calibration: Rows | None = None,
    limits: Limits | None = None,
    review: Path | None = None,
    reports: Sequence[Path] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve models over HTTP until a signal ends it.

    SIGTERM and SIGINT end it gracefully: nothing new is taken, and what is under way is finished. SIGHUP
    loads models anew whose files have changed; requests go on meanwhile.

    Args:
        models: Each a model directory, the name of a shipped graft, ``bundled`` or another encoder, or a
            Transformers checkpoint with a head; NAME=PATH names it. Without any the bundled encoder.
        host: The address to listen on; any but this machine's own needs keys.
        port: 0 takes a free one.
        keys: A file of keys, see :mod:`textgraft.serving.keys`; those of the environment count, too.
        shadow: Challengers, as NAME=PATH: each answers what the model of that name is asked.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        precision: Of encoders: "auto", "fp32", "bf16" or "int8".
        calibration: For int8, texts like those to come: a file, or whatever else holds rows. By default those
            that come with textgraft.
        limits: What is taken, and held at once.
        review: The file of a review store, which gets a queue at /review.
        reports: Folders of comparisons whose reports the page shows.
        on_ready: Called with the address when requests are answered.

    Raises:
        OptionError: An option is wrong, or the address cannot be listened on.
        ModelError: A model cannot be found, is damaged, or cannot be served.
        MissingExtraError: FastAPI or uvicorn is not installed.
    """
    chosen = Chosen(
        tuple(Named.of(given) for given in models or ("bundled",)),
        tuple(Named.of(given) for given in shadow),
        engine,
        precision,
        () if calibration is None else tuple(_texts(calibration)),
    )
    known = read_keys(keys)
    check_address(host, known)
    for challenger in chosen.challengers:
        if challenger.name not in {named.name for named in chosen.models}:
            raise OptionError(
                f"no served model is called {challenger.name!r}",
                where="--shadow",
                fix="Write NAME=PATH, with the name of the model that is challenged.",
            )
    with contextlib.closing(_listen(host, port)) as listening:
        # The framework takes a second to import, and models about as long to open: side by side.
        importing = threading.Thread(target=_import_framework, daemon=True)
        importing.start()
        keep_shapes(SERVED_ENTRIES)
        loaded = chosen.load(chosen.models)
        shadows = _load_challengers(chosen)
        importing.join()
        service, app = build(loaded, shadows, known, limits or Limits(), review=review, reports=reports)
        server = _server(app, service)
        service.start()
        service.warm_up()
        reloading = _Reloading(service, chosen)
        address = f"http://{_in_url(host)}:{listening.getsockname()[1]}"
        _listen_now(listening, host)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(server, service, listening, reloading, lambda: on_ready and on_ready(address)))


def _texts(rows: Rows) -> list[str]:
    """Return the texts that int8 is calibrated on."""
    given = as_source(rows)
    read = given if isinstance(given, Dataset) else read_texts(given)
    return list(read.texts[:CALIBRATION_TEXTS])


def check_address(host: str, keys: Keys) -> None:
    """Refuse to listen where others can ask, if nobody needs a key.

    Raises:
        OptionError: It is so.
    """
    if host not in LOCAL and not len(keys):
        raise OptionError(
            f"{host} can be reached from elsewhere, and no key is asked for",
            where="--host",
            fix=f"Give --keys FILE, or set {VARIABLE}; textgraft serve --new-key NAME makes a key.",
        )


def build(
    models: Sequence[ServedModel],
    challengers: Sequence[ServedModel],
    keys: Keys,
    limits: Limits,
    *,
    review: Path | None = None,
    reports: Sequence[Path] = (),
) -> tuple[Service, App]:
    """Build a service and its application; neither is started.

    Raises:
        MissingExtraError: FastAPI is not installed.
        OptionError: There is no report where one should be.
        DataError: There is no review store.
    """
    _import_framework()
    try:
        from textgraft.serving.app import create_app
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "serve", "the service") from error
    from textgraft.review.store import ReviewStore
    from textgraft.serving.registry import Registry
    from textgraft.serving.routes.pages import find_reports
    from textgraft.serving.service import Service
    from textgraft.serving.shadows import Shadows

    shadows = Shadows({model.name: model for model in challengers})
    service = Service(Registry(models), limits, keys, shadows)
    store = None if review is None else ReviewStore(review, create=False)
    return service, create_app(service, store, find_reports(reports))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the quickest event loop that is installed; it sends an answer's parts together."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return made


def _import_framework() -> None:
    with contextlib.suppress(ImportError):  # told when it is needed
        import fastapi  # noqa: F401
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401


def _load_challengers(chosen: Chosen) -> list[ServedModel]:
    if not chosen.challengers:
        return []
    names = {named.name for named in chosen.challengers}
    loaded = chosen.load(chosen.challengers)
    return [model for model in loaded if model.name in names]


def _listen(host: str, port: int) -> socket.socket:
    """Listen before anything is loaded: an address that is taken is told at once.

    Raises:
        OptionError: The address cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    return listening


def _listen_now(listening: socket.socket, host: str) -> None:
    """Let clients connect.

    Raises:
        OptionError: Another process, which was about to start as well, has come first.
    """
    try:
        listening.listen(_BACKLOG)
    except OSError as error:
        raise _cannot_listen(host, listening.getsockname()[1], error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> OptionError:
    return OptionError(
        f"{_in_url(host)}:{port} cannot be listened on: {error.strerror}",
        where="--host, --port",
        fix="Give another port, or 0 for a free one.",
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _server(app: App, service: Service) -> uvicorn.Server:
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtraError("uvicorn", "serve", "the service") from error

    class Server(uvicorn.Server):
        """One that refuses what is new as soon as it is told to stop."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            # Not uvicorn's own, which raises the signal once more at the end: a graceful end is no failure.
            del sig, frame
            service.stop_taking()
            self.force_exit = self.should_exit
            self.should_exit = True

    return Server(server_config(app, service.limits))


def server_config(app: App, limits: Limits) -> uvicorn.Config:
    """Return how an application is served: nothing is logged of requests, and nobody is waited for long."""
    import uvicorn

    from textgraft.serving.connections import MOST_HEAD, timed_protocol

    return uvicorn.Config(
        app,
        http=timed_protocol(limits.body_deadline),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        log_config=None,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=int(limits.stop_deadline),
        h11_max_incomplete_event_size=MOST_HEAD,
    )


async def _run(
    server: uvicorn.Server,
    service: Service,
    listening: socket.socket,
    reloading: _Reloading,
    on_ready: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(
        NotImplementedError, AttributeError, RuntimeError
    ):  # no such signal, or no main thread
        loop.add_signal_handler(signal.SIGHUP, reloading.start)
    watching = asyncio.ensure_future(_tell(server, on_ready))
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        stopping = loop.run_in_executor(None, service.stop, service.limits.stop_deadline)
        if not await stopping:
            logger.warning("not all requests could be finished in time")


async def _tell(server: uvicorn.Server, on_ready: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    on_ready()


class _Reloading:
    """Loads models anew whose files have changed, beside the requests.

    Args:
        service: Whose models they are.
        chosen: What the user named.
    """

    def __init__(self, service: Service, chosen: Chosen) -> None:
        self._service = service
        self._chosen = chosen
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin, in a thread."""
        threading.Thread(target=self.run, name="textgraft-reload", daemon=True).start()

    def run(self) -> bool:
        """Load what has changed, and exchange it; what cannot be loaded leaves the old one in place.

        Returns:
            Whether all is as it is on disk now.
        """
        with self._lock:
            begun = time.monotonic()
            try:
                changed = reload_models(self._service, self._chosen)
            except (TextgraftError, OSError) as error:
                logger.error("the models stay as they are: %s", error)
                return False
            logger.warning(
                "loaded anew in %.1f s: %s", time.monotonic() - begun, ", ".join(changed) or "nothing"
            )
            return True


def reload_models(service: Service, chosen: Chosen) -> list[str]:
    """Exchange the models whose files have changed.

    Args:
        service: Whose models they are.
        chosen: What the user named.

    Returns:
        The names of those that were loaded anew.

    Raises:
        ModelError: One cannot be loaded; then all stay as they are.
    """
    held = {model.name: model for model in service.registry}
    changed = [named for named in chosen.models if held[named.name].identity != identity(named)]
    if changed:
        fresh = chosen.load(changed)
        service.registry.replace({**held, **{model.name: model for model in fresh}}.values())
        service.warm_up()
    shadows = service.shadows.challengers
    if any(shadows[named.name].identity != identity(named) for named in chosen.challengers):
        service.shadows.challengers = {model.name: model for model in _load_challengers(chosen)}
    return [named.name for named in changed]
