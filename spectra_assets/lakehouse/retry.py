"""What the Spark Connect client asks for again, besides what it does by default (an engine that is unavailable for a moment)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc
from pyspark.sql.connect.client.retries import RetryPolicy

Made = TypeVar("Made")

UNREADABLE = "Exception deserializing response!"
"""The status text of grpc's Python client for an answer whose bytes it could not parse (`grpc/_channel.py`)."""


class UnreadableAnswer(RetryPolicy):  # type: ignore[misc]  # pyspark is untyped here
    """An answer whose bytes make no message: once in some thousand runs (see grpc/grpc#34670), gone when asked again.

    Settings and analyses alone, which change nothing. A plan's stream of rows is not taken up again: Sail has
    forgotten a plan whose stream ended, and would say that in place of the cause. See `asked_again`.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=3, initial_backoff=50)

    def can_retry(self, exception: BaseException) -> bool:
        return (
            isinstance(exception, grpc.RpcError)
            and not isinstance(exception, Iterator)
            and exception.code() is grpc.StatusCode.INTERNAL
            and exception.details() == UNREADABLE
        )


_LOST = (UNREADABLE, "task context not found for operation")
"""How an error tells that rows came that make no message; the second is Sail's word for a plan whose stream was given up then."""

_ATTEMPTS = 3


def asked_again(ask: Callable[[], Made]) -> Made:
    """What `ask` gives, which reads alone; asked again if its rows got lost on their way. Raises what it raises at last."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return ask()
        except Exception as error:
            if not any(words in str(each) for each in (error, error.__cause__) for words in _LOST):
                raise
    return ask()
