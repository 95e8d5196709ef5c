"""Auth, methods, the wrong base URL, the log of requests, keep-alive, scale, and serving until a signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from spectra_assets.standin.server import REQUESTS_KEPT, StandIn

LATEST = "/flex/services/rest/latest"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic bad!", "Digest x", "Basic d3Jvbmc="])
def test_refused_credentials(api, header):
    headers = {"Authorization": header} if header else {}
    response = requests.get(f"{api.standin.base_url}{LATEST}/project", headers=headers, timeout=200)
    assert response.status_code == 401
    assert set(response.json()) == {"errorMsg", "errorCode"}


def test_basic_takes_the_token_as_password(api):
    response = requests.get(f"{api.standin.base_url}{LATEST}/project", auth=("anybody", api.standin.token), timeout=200)
    assert response.status_code == 200


def test_tokens_are_made_anew_or_given():
    assert StandIn().token != StandIn().token
    assert StandIn(token="plainly-fake").token == "plainly-fake"


@pytest.mark.parametrize("path", ["/flex/html5", "/", "/flex", "/flex/html5/project/details"])
def test_a_wrong_base_url_answers_the_login_page(api, path):
    response = api.session.get(f"{api.standin.base_url}{path}", timeout=200)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods_are_refused_recorded_and_change_nothing(make, method):
    api = make(executions=100)
    before = api.truth()
    url = f"{api.standin.base_url}{LATEST}/execution/1"
    assert api.session.request(method, url, params={"status": 2}, data="{}" * 999, timeout=200).status_code == 405
    assert api.get("/user/current").status_code == 200
    assert [tuple(entry) for entry in api.standin.requests] == [
        (method, f"{LATEST}/execution/1", "status=2", 405),
        ("GET", f"{LATEST}/user/current", "", 200),
    ]
    assert api.standin.methods == {method: 1, "GET": 1}
    assert api.truth() == before


def test_the_log_is_bounded(api):
    assert api.standin.requests.maxlen == REQUESTS_KEPT


def test_one_connection_answers_many_requests(api):
    with socket.create_connection(("127.0.0.1", api.standin.port), timeout=60) as connection:
        reader = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(b"GET /flex/html5 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = iter(reader.readline, b"\r\n")
            length = next(int(line.split(b":")[1]) for line in list(headers) if line.startswith(b"Content-Length"))
            reader.read(length)
        connection.sendall(b"nonsense\r\n\r\n")
        assert reader.read() == b""


def test_many_clients_at_once(api):
    def ask(number: int) -> int:
        url = f"{api.standin.base_url}{LATEST}/execution"
        headers = {"Authorization": f"Bearer {api.standin.token}"}
        query = {"releaseid": 2, "offset": number % 7, "pagesize": 3}
        return requests.get(url, params=query, headers=headers, timeout=200).json()["results"][0]["id"]

    first = ask(0)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(64))) == [first + number % 7 for number in range(64)]


def test_stop_closes_connections_and_start_takes_the_same_port(make):
    api = make(executions=10)
    assert api.get("/project").status_code == 200
    port = api.standin.port
    api.standin.stop()
    with pytest.raises(requests.ConnectionError):
        api.get("/project")
    assert api.standin.start().port == port
    assert api.get("/project").status_code == 200


def test_a_million_executions_start_at_once_and_page_to_the_end(make):
    tracemalloc.start()
    api = make(executions=1_000_000)
    assert api.json("/execution", releaseid=2, pagesize=500)["results"][0]["id"] == 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30_000_000, "records are made when they are asked for: all of them would take a gigabyte"
    truth = api.truth()
    assert truth["execution"] == {"count": 1_000_000, "keySum": 500_000_500_000, "keysOmitted": True}
    assert sum(truth["statusCounts"].values()) == 1_000_000
    release, count = max((int(key), counts["execution"]) for key, counts in truth["perRelease"].items() if counts["execution"])
    last = api.json("/execution", releaseid=release, offset=count - 500, pagesize=500)["results"]
    assert (len(last), last[-1]["id"]) == (500, 1_000_000)
    assert 15 <= truth["project"]["count"] <= 25
    assert truth["testcase"]["count"] == 20_000


def test_serve_says_where_it_is_and_ends_on_a_signal():
    code = "from spectra_assets.standin.server import serve; serve(executions=100)"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        found = re.search(r"ZEPHYR_BASE_URL=(\S+) ZEPHYR_API_TOKEN=(\S+)$", line)
        response = requests.get(f"{found[1]}{LATEST}/project", headers={"Authorization": f"Bearer {found[2]}"}, timeout=200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert response.status_code == 200
