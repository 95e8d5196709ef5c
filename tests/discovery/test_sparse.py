"""Children that few parents have are found, with few requests where parents tell of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.sparse import told
from spectra_assets.settings import Settings

WORKSHOPS = [{"id": 900 + number, "studioId": 37, "title": f"Workshop {number}"} for number in range(6)]


def studios(**more: Callable[[int], Any]) -> list[dict[str, Any]]:
    return [
        {"id": number, "name": f"Studio {number}", "links": {"workshops": f"{{origin}}/studios/{number}/workshops"}}
        | {name: value(number) for name, value in more.items()}
        for number in range(1, 51)
    ]


def workshops(match: Any, *_: Any) -> list[dict[str, Any]]:
    return WORKSHOPS if match["id"] == "37" else []


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ({}, 50),
        ({"workshopCount": lambda number: 6 * (number == 37)}, 4),
        ({"has_workshops": lambda number: number == 37}, 4),
        ({"workshops": lambda number: [900] if number == 37 else []}, 4),
    ],
)
def test_one_parent_of_fifty_has_children(serve: Callable[..., Any], settings: Settings, more: dict[str, Any], most: int) -> None:
    api = serve({"/": {"studios": "{origin}/studios"}, "/studios": studios(**more), r"/studios/(?P<id>\d+)/workshops": workshops})
    pack = discover(settings, "yoga", api.base_url)
    assert {hint.entity: hint.routes for hint in pack.entities} == {
        "studio": ["/studios"],
        "workshop": ["/studios/{studioId}/workshops"],
    }
    assert sum(address.endswith("/workshops") for address in api.asked) <= most
    assert sum("/workshops/900" in address for address in api.asked) <= 2, "below its list, and below the list's name alone"


def test_a_list_that_is_empty_for_all_parents_takes_a_part_of_the_requests_only(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve({"/": {"studios": "{origin}/studios"}, "/studios": studios(), r"/studios/(?P<id>\d+)/workshops": []})
    pack = discover(settings, "yoga", api.base_url)
    assert [hint.entity for hint in pack.entities] == ["studio"]
    assert sum("/workshops" in address for address in api.asked) <= 51


def test_what_tells_of_children() -> None:
    for record in ({"commentCount": 3}, {"comments_count": 3}, {"numComments": 3}, {"comments": [1, 2, 3]}, {"totalComments": 3}):
        assert told(record, "comments") == 3
    for record in ({"hasComments": True}, {"has_comments": True}, {"commentsTotal": 1}):
        assert told(record, "comments") == 1
    for record in ({"count": 3}, {"commentStatus": 3}, {"comment": "three"}, {"postCount": 3}, {"comments": {}}):
        assert told(record, "comments") == 0
    assert told({"commentsCount": 10**400}, "comments") > told({"commentsCount": 9}, "comments")
