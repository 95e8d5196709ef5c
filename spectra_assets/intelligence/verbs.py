"""GETs that may do something: told by the verbs in names and paths, since no answer tells it before it is done."""

from __future__ import annotations

import re
from itertools import pairwise

from spectra_assets.names import singular, words

ACTS = "its name tells an action, not a list"
"""Why an endpoint is never asked."""

MAY_ACT = "its name may be that of an action, so it is not asked: if it lists records, name it by --list"
"""Why an endpoint is only asked where a person says so."""

_ANYWHERE = frozenset(
    ("logout", "signout", "signin", "login", "logoff", "authorize", "oauth", "token", "delete", "remove", "destroy",
     "unsubscribe", "reset", "shutdown", "restart", "cancel", "approve", "purge", "revoke", "confirm", "activate",
     "deactivate")
)  # fmt: skip
"""Verbs in whose neighbourhood nothing is asked, wherever they stand in a path."""

_VERBS = _ANYWHERE | frozenset(
    ("abort", "accept", "acknowledge", "append", "assign", "unassign", "attach", "detach", "unban", "unblock",
     "close", "reopen", "complete", "connect", "disconnect", "create", "decline", "decrement", "increment", "deploy",
     "undeploy", "disable", "enable", "dismiss", "enqueue", "dequeue", "enroll", "unenroll", "execute", "expire",
     "finalize", "finish", "flush", "freeze", "unfreeze", "fulfill", "impersonate", "insert", "install", "uninstall",
     "join", "kick", "kill", "unlink", "unlock", "merge", "migrate", "modify", "mute", "unmute", "notify",
     "overwrite", "pause", "pay", "unpin", "poweroff", "poweron", "promote", "demote", "provision", "publish",
     "unpublish", "reassign", "reboot", "rebase", "rebuild", "recalculate", "recompute", "redeploy", "redo", "undo",
     "refresh", "regenerate", "unregister", "reindex", "reject", "reload", "rename", "rerun", "resend", "reschedule",
     "resize", "resolve", "unresolve", "restore", "resubmit", "resync", "retry", "rollback", "rotate", "send",
     "snooze", "unsnooze", "submit", "subscribe", "suspend", "unsuspend", "sync", "synchronize", "terminate",
     "truncate", "unarchive", "undelete", "unfollow", "unlike", "unstar", "unvote", "upsert", "verify", "void",
     "wipe", "withdraw", "write")
)  # fmt: skip
"""Verbs that no list has for its name: alone, or in front of what they act on (`/send-mail`)."""

_NOUNS_TOO = frozenset(
    ("ack", "archive", "backup", "ban", "block", "build", "capture", "charge", "clear", "dispatch", "edit", "export",
     "forward", "import", "invite", "launch", "leave", "lock", "process", "refund", "register", "release", "resume",
     "reverse", "run", "save", "seed", "ship", "start", "stop", "test", "transfer", "trigger", "update", "upgrade",
     "upload", "vote")
)  # fmt: skip
"""Verbs that a list may have for its name as well."""

_ACTIONS = frozenset(
    ("actions", "_actions", "operations", "_operations", "commands", "_commands", "affordances", "_affordances", "_templates")
)
"""What holds actions, each with its address."""

_LEAVES = frozenset(("href", "url", "uri", "link", "self", "related"))


def acts(name: str, path: str) -> bool:
    """Whether an address, or the name it has where it was found, tells that asking for it does something."""
    said = {word.lower() for word in words(name)}
    parts = {part.lower() for part in re.split(r"[/_.\-]", path) if part}
    return bool((said | parts) & _ANYWHERE) or name.lower() in _VERBS or _led_by(path, _VERBS)


def may_act(path: str) -> bool:
    """Whether the last name of a path is a verb, alone or in front, which nobody can know to be that of a list."""
    return _led_by(path, _VERBS | _NOUNS_TOO)


def wants_change(method: str) -> bool:
    """Whether an address is told with a method that changes something."""
    return method.lower() in ("post", "put", "patch", "delete")


def among_actions(place: str) -> bool:
    """Whether what stands at a JSON path is one of several actions: `_actions.merge.href`, `actions[].href`."""
    parts = place.partition(" ")[0].split(".")
    inside = [(part, below) for part, below in pairwise(parts) if part.removesuffix("[]").lower() in _ACTIONS]
    return any(part.endswith("[]") or below.lower() not in _LEAVES for part, below in inside)


def _led_by(path: str, verbs: frozenset[str]) -> bool:
    """Whether one of the verbs is the last name of a path, or stands in front of one thing that it acts on."""
    last = path.rstrip("/").rpartition("/")[2].removesuffix(".json")
    said = [] if "{" in last else [word.lower() for word in words(last)]
    return bool(said) and (said[-1] in verbs or (said[0] in verbs and singular(said[-1]) == said[-1]))
