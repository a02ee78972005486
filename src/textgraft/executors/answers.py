"""What a process elsewhere answers to a job: a result, or the error that it met, as bytes."""

from __future__ import annotations

import traceback

import msgspec

from textgraft import errors
from textgraft.errors import TextgraftError
from textgraft.executors.base import JobError, imported
from textgraft.processor import use_threads


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two."""

    result: bytes | None = None
    kind: str = ""
    """Name of the error's class; "" for a defect."""
    what: str = ""
    where: str | None = None
    fix: str | None = None

    def unpack(self) -> bytes:
        """Return the result.

        Raises:
            TextgraftError: The job met a mistake of the user's.
            JobError: It failed otherwise.
        """
        if self.result is not None:
            return self.result
        kind = getattr(errors, self.kind, TextgraftError) if self.kind else None
        if kind is None:
            raise JobError(self.what)
        if not issubclass(kind, TextgraftError) or kind is errors.MissingExtraError:
            kind = TextgraftError
        raise kind(self.what, where=self.where, fix=self.fix)


def answer(function: str, order: bytes, threads: int) -> bytes:
    """Do a job, and return the answer as MessagePack, whatever happens.

    Args:
        function: As in :class:`~textgraft.executors.base.Job`.
        order: Likewise.
        threads: To compute on.
    """
    try:
        limit_threads(threads)
        found = Answer(result=imported(function)(order))
    except TextgraftError as error:
        found = Answer(kind=type(error).__name__, what=error.what, where=error.where, fix=error.fix)
    except Exception:
        found = Answer(what=traceback.format_exc())
    return msgspec.msgpack.encode(found)


def limit_threads(threads: int) -> None:
    """Let engines and numeric libraries of this process compute on so many threads.

    OMP_NUM_THREADS, set before the process began, does the same for what is loaded later.
    """
    import sys

    use_threads(threads)
    if "torch" in sys.modules and sys.modules["torch"].get_num_threads() != threads:
        sys.modules["torch"].set_num_threads(threads)
