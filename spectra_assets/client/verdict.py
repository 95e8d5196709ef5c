"""What an answer means: usable JSON, or which error with which advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import msgspec

from spectra_assets.client.jsontext import BOM, lenient, utf8
from spectra_assets.client.mask import Mask
from spectra_assets.client.pacing import retry_after
from spectra_assets.client.ratelimit import renewal, spent
from spectra_assets.client.refusal import Refusal, is_message, refusal_in
from spectra_assets.client.transport import Answer
from spectra_assets.errors import CredentialError, RetriableError, SkippableError

Decoded = TypeVar("Decoded")

PASSING = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that may pass. Every other 5xx may too, but is mostly final: APIs answer 500 for unknown ids."""

TOO_MANY = 429
CLOSED = frozenset({401, 403})
"""How an API says that something is not for this credential."""

_CONTENT = frozenset({200, 203, 204, 205, 206})
"""Statuses of an answer with content, or with none on purpose; 206 is given by some for a page of a list."""

_HTML = {"text/html", "application/xhtml+xml"}
_TEXTS = {"", "text/plain", "text/html"}
"""Content types that servers give to JSON as well."""


def may_pass(status: int) -> bool:
    """Whether the same request may be answered differently in a while."""
    return status in PASSING or status >= 500


def passes_soon(answer: Answer) -> bool:
    """Whether an answer says that the same request will be answered otherwise in a moment, by its status or by its words."""
    return answer.status in PASSING or not_yet(answer) or (answer.status in _CONTENT and _too_fast(answer) is not None)


def not_yet(answer: Answer) -> bool:
    """Whether an answer is still being made: 202 with nothing in it, or with when to come again."""
    return answer.status == HTTPStatus.ACCEPTED and ("Retry-After" in answer.headers or not answer.body.strip())


def _too_fast(answer: Answer) -> Refusal | None:
    """What an answer with content says, if that is that requests came too fast."""
    refusal = refusal_in(answer.body)
    return refusal if refusal is not None and refusal.too_fast else None


def is_lasting(error: RetriableError) -> bool:
    """Whether what was tried on every attempt will most likely fail again, and alone: a 500, a body that is no JSON, what came
    too fast each time while others did not."""
    return error.alone or error.status == HTTPStatus.INTERNAL_SERVER_ERROR or error.status in _CONTENT


def is_web_page(answer: Answer) -> bool:
    """Whether an answer is a page for people. JSON may be said to be one: PHP says so of everything, unless it is told."""
    begins = answer.body.lstrip(BOM + b" \t\r\n")[:1]
    return begins == b"<" or (answer.content_type in _HTML and begins not in (b"{", b"["))


def limited(answer: Answer) -> bool:
    """Whether a 403 is no refusal, but says that requests came too fast, as some servers do."""
    return answer.status == 403 and ("Retry-After" in answer.headers or spent(answer.headers))


@dataclass(frozen=True)
class Verdict:
    """Judges answers of one API; its texts name the environment variables a person would change."""

    base_url_env: str
    token_env: str | None
    has_credential: bool
    mask: Mask

    def passing(self, answer: Answer) -> Answer:
        """`answer`, whatever it says, unless it may pass: then RetriableError. So may a 403, or a 200, that means too many
        requests."""
        if may_pass(answer.status) or limited(answer) or not_yet(answer):
            wait = retry_after(answer.headers)
            if wait is None and answer.status in (403, 429):
                wait = renewal(answer.headers)
            raise RetriableError(self._refused(answer), wait, answer.status)
        refusal = _too_fast(answer) if answer.status in _CONTENT else None
        if refusal is not None:
            wait = retry_after(answer.headers)
            raise RetriableError(self._told(answer, refusal), renewal(answer.headers) if wait is None else wait, TOO_MANY)
        return answer

    def decoded(self, answer: Answer, decode: Callable[[bytes], Decoded]) -> Decoded:
        """What `decode` makes of the body: UTF-8 JSON text, or `b""` for no content.

        `decode` raises msgspec.DecodeError for text that is not JSON. Raises CredentialError (401), RetriableError
        (may pass; or JSON that is cut or malformed) and SkippableError (any other status; or not JSON at all).
        """
        self._check_status(answer)
        body = answer.body
        if answer.status in (204, 205) or not body.strip():
            return decode(b"")
        if is_web_page(answer):
            raise SkippableError(
                f"{answer.told}: a web page came instead of JSON, so the base URL looks wrong; check "
                f"{self.base_url_env}. It begins: {self.mask.quote(body)}",
                answer.status,
            )
        # every error is raised after its `except`: the one it stems from may hold the server's text unmasked
        try:
            return lenient(utf8(body, answer.headers.get("Content-Type", "")), decode)
        except SkippableError as error:
            refusal = refusal_in(body)
            # another shape than expected; what holds no records, and nothing that could hold them, may pass
            problem, final = self.mask.line(str(error)), refusal is None and not is_message(body)
            if not final:
                problem = self._told(answer, refusal) if refusal else f"{problem}; it says: {self.mask.quote(body)}"
        except RecursionError:
            problem, final = f"{answer.told}: the JSON is nested too deeply to be read", True
        except (msgspec.DecodeError, UnicodeError) as error:
            problem, final = self._malformed(answer, error), False
        if final:
            raise SkippableError(problem, answer.status)
        if "json" in answer.content_type or answer.content_type in _TEXTS:
            raise RetriableError(problem, status=answer.status)
        raise SkippableError(f"{problem} (content type {answer.content_type[:80]!r})", answer.status)

    def _check_status(self, answer: Answer) -> None:
        if answer.status == 401:
            advice = "was refused" if self.has_credential else "is needed and none was given"
            raise CredentialError(
                f"{answer.told}: 401, the credential {advice}; set {self.token_env or 'the token variable of the covenant'} "
                f"to a valid one. The answer: {self.mask.quote(answer.body)}"
            )
        self.passing(answer)
        if answer.status not in _CONTENT:
            raise SkippableError(self._refused(answer), answer.status)

    def _told(self, answer: Answer, refusal: Refusal) -> str:
        return self.mask.line(f"{answer.told}: {refusal.told}")

    def _refused(self, answer: Answer) -> str:
        return f"{answer.told}: {self.word(answer)}"

    def word(self, answer: Answer) -> str:
        """The status of an answer and what its body says, bounded and masked."""
        body = f": {self.mask.quote(answer.body)}" if answer.body.strip() else ""
        return f"{answer.status} {_phrase(answer.status)}{body}"

    def _malformed(self, answer: Answer, error: Exception) -> str:
        text = self.mask.quote(str(error).encode())
        where = "" if "byte" in text else f" (at byte {len(answer.body)}, the end of the body)"
        return f"{answer.told}: the body is no complete JSON: {text}{where}; it begins: {self.mask.quote(answer.body)}"


def json_text(body: bytes) -> bytes:
    """`body`, proven to be one JSON value (or empty). Raises msgspec.DecodeError."""
    if body:
        msgspec.json.decode(body, type=msgspec.Raw)
    return body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(no known status)"
