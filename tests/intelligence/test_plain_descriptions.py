"""Catalogues that people write, and API Blueprint."""

from __future__ import annotations

import json

import pytest

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description import read_description

BLUEPRINT = b"""FORMAT: 1A
HOST: https://api.example/v1/

# Polls API
Some words.

## Group Questions

### Question Collection [/questions{?page,size}]
+ Parameters
    + page: `1` (optional, number, default: `1`) - The page
    + size (optional, number)

#### List All Questions [GET]
+ Response 200 (application/json)
    + Body

            [{"question": "# no heading"}]

#### Create [POST]
+ Request (application/json)

### Question [/questions/{question_id}]
+ Parameters
    + question_id: 1 (required, number) - ID
    + state (optional, string)
        + Members
            + `open`
            + `closed`

#### View a Question [GET]
#### Delete [DELETE]

## Choices [GET /questions/{question_id}/choices{?state}]
+ Parameters
    + question_id (string)
    + state (optional, enum[string])
        + Members
            + `open`
            + `closed`

# GET /health
"""


def test_api_blueprint() -> None:
    read = read_description(BLUEPRINT, "polls.apib")
    assert (read.kind, read.title, read.servers, read.base_path) == ("blueprint", "Polls API", ["https://api.example/v1"], "/v1")
    assert [(e.method, e.path, e.group, e.query) for e in read.endpoints] == [
        ("GET", "/questions", "Questions", ["page", "size"]),
        ("POST", "/questions", "Questions", []),
        ("GET", "/questions/{question_id}", "Questions", []),
        ("DELETE", "/questions/{question_id}", "Questions", []),
        ("GET", "/questions/{question_id}/choices", "Questions", ["state"]),
        ("GET", "/health", "Questions", []),
    ]
    page = read.endpoints[0].parameter("page")
    assert (page.type, page.default, page.required) == ("number", "1", False)
    assert read.endpoints[4].parameter("state").values == ["open", "closed"]
    assert read.endpoints[2].parameter("question_id").location == "path"


def test_headings_alone_are_enough() -> None:
    read = read_description(b"# GET /users\n# GET /users/{id}\n## POST /users\n", "x.md")
    assert [(e.method, e.path) for e in read.endpoints] == [("GET", "/users"), ("GET", "/users/{id}"), ("POST", "/users")]


def test_a_yaml_comment_is_no_heading() -> None:
    assert read_description(b"# my endpoints\n- {method: GET, path: /a}\n", "x").kind == "catalogue"


@pytest.mark.parametrize(
    "text",
    [
        "- {method: GET, path: /project, query: [page]}\n- {path: '/project/{id}', group: project}\n",
        "endpoints:\n- {method: get, path: /project, query: page}\n- {path: '/project/:id'}\n",
        "endpoints: ['GET /project{?page}', '/project/{id}']\ntitle: Mine\n",
        json.dumps([{"method": "GET", "path": "/project?page=1"}, {"method": "GET", "path": "project/{id}"}]),
    ],
)
def test_catalogues(text: str) -> None:
    read = read_description(text.encode(), "mine.yaml")
    assert [(e.method, e.path, e.group, e.query) for e in read.endpoints] == [
        ("GET", "/project", "project", ["page"]),
        ("GET", "/project/{id}", "project", []),
    ]
    assert read.replies["/project"].kind == "unknown"


def test_entries_that_are_none_are_findings() -> None:
    read = read_description(
        b"- {method: GET, path: /a, colour: red}\n- {method: FETCH, path: /b}\n- 7\n- {method: GET}\n", "mine"
    )
    assert [e.path for e in read.endpoints] == ["/a"]
    assert len(read.findings) == 3
    with pytest.raises(DocumentError, match="none of its 1 entries is an endpoint"):
        read_description(b"- {method: FETCH, path: /b}\n", "mine")


def test_hostile_blueprints_take_little_time() -> None:
    lines = ["# GET /a", "+ Parameters", *["    + x" + " " * 400 + ":" * 100 for _ in range(2000)]]
    read_description("\n".join(lines).encode(), "x.apib")
    with pytest.raises(DocumentError, match="more than the 4,194,304"):
        read_description(b"FORMAT: 1A\n# GET /a\n" + b"words\n" * 1_000_000, "x.apib")


def test_a_page_for_people_tells_paths() -> None:
    page = b"""<!doctype html><html><head><title>Broker &amp; API</title><style>/no/style</style></head><body>
    <p>Try <code>curl http://localhost/api/queues/a/b</code></p><table><tr><td>/api/queues</td><td>/api/queues/</td></tr>
    <tr><td>/api/queues/<i>space</i>/<em>name</em></td></tr><tr><td>DELETE /api/spaces/&lt;name&gt;</td></tr>
    <tr><td><b>GET</b> /api/users/:id/grants?deep={deep}</td><td>/api/logo.png</td></tr></table></body></html>"""
    read = read_description(page, "x")
    assert (read.kind, read.title) == ("page", "Broker & API")
    assert [(each.method, each.path, each.query) for each in read.endpoints] == [
        ("GET", "/api/queues", []),
        ("GET", "/api/queues/{space}/{name}", []),
        ("DELETE", "/api/spaces/{name}", []),
        ("GET", "/api/users/{id}/grants", ["deep"]),
    ]


@pytest.mark.parametrize("bad", ["<!--", "<script ", "<<", "/<i ", "<title ", "<title>", "/<i>", "GET ", "&#", "</script "])
def test_a_hostile_page_is_read_in_time_that_grows_with_its_length(bad: str) -> None:
    """Quadratic time would be minutes for some of these."""
    page = "<html><td>/api/a</td><td>/api/b</td><script>/no/script</script><td>/api/c</td>\n" + bad * (200_000 // len(bad))
    read = read_description(page.encode(), "x")
    assert [each.path for each in read.endpoints] == ["/api/a", "/api/b", "/api/c"]


def test_a_page_without_ends_of_what_is_hidden_is_read_and_its_title_is_one_line() -> None:
    page = b"""<html><head><!-- /no/comment --><STYLE>/no/style</Style><title>A\n&#10;&#7; &amp; b</title>
    <td>/api/a</td> &#%s;<script src=x>/api/b</td><!-- /no/more --><td>/api/c""" % (b"9" * 5000)
    read = read_description(page, "x")
    assert (read.title, [each.path for each in read.endpoints]) == ("A & b", ["/api/a", "/api/b", "/api/c"])


@pytest.mark.parametrize(
    "bad", ["# a" + " " * 590 + "b", "# a[" + " " * 590 + "b", "# " + "[/" * 299, "#" * 600, "# a" + " #" * 290 + "b"]
)
def test_hostile_headings_are_read_in_time_that_grows_with_their_length(bad: str) -> None:
    text = "\n".join(["FORMAT: 1A", "# A  title #", "## List  things [ GET  /a{?b} ]  ##", *[bad] * 1_000])
    read = read_description(text.encode(), "x")
    assert (read.title, [(each.path, each.query, each.summary) for each in read.endpoints]) == (
        "A title",
        [("/a", ["b"], "List things")],
    )


def test_a_root_that_maps_its_routes() -> None:
    arguments = {
        "status": {"type": "array", "items": {"enum": ["draft", "public"]}, "default": "public"},
        "size": {"type": "integer", "maximum": 100},
    }
    root = {
        "name": "A site",
        "routes": {
            "/": {"methods": ["GET"]},
            "/wp/v2/posts": {"endpoints": [{"methods": ["GET"], "args": arguments}, {"methods": ["POST"], "args": {}}]},
            "/wp/v2/posts/(?P<id>[\\d)]+)/notes": {"methods": ["GET"]},
            "/odd/(a|b)": {"methods": ["GET"]},
        },
    }
    read = read_description(json.dumps(root).encode(), "x")
    assert (read.kind, read.title) == ("routes", "A site")
    assert [f"{each.method} {each.path}" for each in read.endpoints] == [
        "GET /", "GET /wp/v2/posts", "POST /wp/v2/posts", "GET /wp/v2/posts/{id}/notes",
    ]  # fmt: skip
    status, size = read.endpoints[1].parameters
    assert (status.values, status.default, size.maximum) == (["draft", "public"], "public", 100)
    assert read.findings == ["route whose pattern is no path: /odd/(a|b)"]
