"""JSON paths below a record, as canon and covenant write them: `id`, `testcase.name`, `cyclePhases[].id`, `tags[]`.

Dots separate keys; a dot or backslash that belongs to a key has a backslash before it. A key that ends with `[]` holds an
array, and what follows it is found in each of its elements; a path that ends there is the element itself.
"""

from __future__ import annotations

import re

ARRAY = "[]"

_PART = re.compile(r"(?:[^.\\]|\\.)+|(?<=\.)(?=\.|$)|^(?=\.)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split_path(path: str) -> list[str]:
    """The keys of `path`, unescaped, arrays with their `[]`; of the empty path none."""
    return [_ESCAPED.sub(r"\1", part) for part in _PART.findall(path)]


def join_path(keys: list[str]) -> str:
    """The inverse of `split_path`."""
    return ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in keys)


def is_array(key: str) -> bool:
    """Whether a key of `split_path` holds an array."""
    return key.endswith(ARRAY)
