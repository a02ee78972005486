"""Why a request gets no answer, each with the HTTP status that says so."""

from __future__ import annotations

from typing import ClassVar


class RefusalError(Exception):
    """A request that is not answered.

    Args:
        message: What is wrong and what to do, without any of the request's text.
        retry_after: Seconds after which it is worth asking again.
    """

    status: ClassVar[int]
    kind: ClassVar[str]
    """What programs tell refusals apart by."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class UnauthorizedError(RefusalError):
    """There is no key, or none that is known."""

    status = 401
    kind = "unauthorized"


class NotFoundError(RefusalError):
    """There is no model, item or report of that name, or none that does that task."""

    status = 404
    kind = "not_found"


class SlowBodyError(RefusalError):
    """The body did not arrive in time."""

    status = 408
    kind = "slow_body"


class ConflictRefusalError(RefusalError):
    """Somebody else holds the item, or it is decided already."""

    status = 409
    kind = "conflict"


class TooLargeError(RefusalError):
    """The body is too large."""

    status = 413
    kind = "too_large"


class MediaTypeError(RefusalError):
    """The body is not in JSON."""

    status = 415
    kind = "unsupported_media_type"


class HostError(RefusalError):
    """The request was made for another host: a page elsewhere may be trying its luck."""

    status = 421
    kind = "misdirected"


class InputError(RefusalError):
    """The body is not a request of the kind that is asked for here."""

    status = 422
    kind = "validation"


class BusyError(RefusalError):
    """More is waiting than can be answered in time, or a key asks too often."""

    status = 429
    kind = "overloaded"


class ModelFailureError(RefusalError):
    """The model failed on this very input."""

    status = 500
    kind = "model_failed"


class UnavailableError(RefusalError):
    """The service is about to stop, or its model thread is dead."""

    status = 503
    kind = "unavailable"


class StorageError(RefusalError):
    """The disk is full, or cannot be written: nothing of the request was kept."""

    status = 507
    kind = "storage"


class LateError(RefusalError):
    """The deadline passed first."""

    status = 504
    kind = "deadline"
