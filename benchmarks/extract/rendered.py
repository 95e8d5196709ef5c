"""A fast API in a process of its own: every answer rendered beforehand into one file, sent by the kernel (sendfile).

projects → releases → cycles → phases → executions of 1 to 2 KB, nested; lists in an envelope that declares its total, by offset.
`latency` in seconds is slept before each answer. Nothing is compressed, nothing conditional: what is measured is the client.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import threading
import time
from array import array
from multiprocessing.connection import Connection
from pathlib import Path

PAGE = 100
PER_PHASE, PER_CYCLE, PER_RELEASE, PER_PROJECT = 1000, 5, 4, 5
"""Executions of a phase, phases of a cycle, cycles of a release, releases of a project."""

LEVELS = (("project", "projects"), ("release", "releases"), ("cycle", "cycles"), ("phase", "phases"), ("execution", "executions"))

_TARGET = re.compile(rb"GET /(?:(\w+)/(\d+)/)?(\w+)(?:\?(\S*))? HTTP")
_OFFSET = re.compile(rb"offset=(\d+)")
_SIZE = re.compile(rb"size=(\d+)")

_RECORD = (
    b'{"id":%(id)d,"uuid":"%(id)08x-0000-4000-8000-%(id)012x","phaseId":%(phase)d,"status":%(status)d,'
    b'"executedOn":%(epoch)d,"createdOn":"2026-0%(month)d-1%(ten)dT08:15:30Z","duration":%(number)d.25,"automated":%(truth)s,'
    b'"cost":%(number)d,"tester":{"id":%(user)d,"login":"user%(user)d","displayName":"Tester Number %(user)d",'
    b'"email":"tester.number%(user)d@example.org","team":{"id":%(ten)d,"name":"Team %(ten)d"}},'
    b'"testcase":{"id":%(case)d,"key":"TC-%(case)d","name":"Checks that order %(case)d is priced, packed and sent to customer '
    b'%(user)d without a person touching it","version":%(ten)d,"priority":{"id":%(status)d,"name":"Priority %(status)d"},'
    b'"component":"component-%(ten)d","estimate":%(number)d},'
    b'"environment":{"os":{"name":"linux","version":"6.%(ten)d"},"browser":"firefox","build":"2026.%(month)d.%(number)d",'
    b'"host":"runner-%(user)d.example.org","region":"eu-central-%(ten)d"},'
    b'"comment":"%(comment)s","requirement":"REQ-%(case)d","sprint":"Sprint %(number)d","defectKey":%(defect)s,'
    b'"customFields":{"zcf_1":"value %(user)d","zcf_2":null,"zcf_3":%(case)d,"zcf_4":"%(ten)d.0"},'
    b'"steps":[{"order":1,"action":"Open the order form as user %(user)d","expected":"The form is shown","result":"pass"},'
    b'{"order":2,"action":"Enter %(number)d articles and send the order","expected":"The order is confirmed","result":"%(word)s"}]}'
)
_COMMENT = b"The order was entered, confirmed and sent; the log of run %d shows no warning. " * 4


def record(number: int) -> bytes:
    """Execution `number`, from 0."""
    ten, user = number % 10, number * 7919 % 500
    return _RECORD % {
        b"id": number + 1,
        b"phase": number // PER_PHASE + 1,
        b"status": number % 5 + 1,
        b"epoch": 1_767_225_600_000 + number * 1000,
        b"month": number % 9 + 1,
        b"ten": ten,
        b"number": number * 31 % 900 + 10,
        b"truth": b"true" if number % 3 else b"false",
        b"user": user,
        b"case": number * 131 % 20_000,
        b"comment": (_COMMENT % (number, number, number, number))[: 60 + number * 37 % 260],
        b"defect": b'"BUG-%d"' % number if number % 4 == 0 else b"null",
        b"word": b"pass" if number % 5 else b"fail",
    }


def sizes(executions: int) -> dict[str, int]:
    """Rows of each entity."""
    phases = max(1, executions // PER_PHASE)
    cycles = -(-phases // PER_CYCLE)
    releases = -(-cycles // PER_RELEASE)
    return {
        "project": -(-releases // PER_PROJECT),
        "release": releases,
        "cycle": cycles,
        "phase": phases,
        "execution": executions,
    }


class Rendered:
    """The records of all entities in one file, and where each begins."""

    def __init__(self, executions: int) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  as long as the server
        self.counts = sizes(executions)
        self.begins: dict[str, array[int]] = {}
        self.per = {"project": 0, "release": PER_PROJECT, "cycle": PER_RELEASE, "phase": PER_CYCLE, "execution": PER_PHASE}
        place = 0
        for entity, _ in LEVELS:
            begins = array("Q")
            for number in range(self.counts[entity]):
                text = record(number) if entity == "execution" else self._small(entity, number)
                begins.append(place)
                place += self.file.write(text + b",")
            begins.append(place)
            self.begins[entity] = begins
        self.file.flush()

    def _small(self, entity: str, number: int) -> bytes:
        return json.dumps(
            {"id": number + 1, "name": f"{entity} {number + 1}", "createdOn": "2026-01-10T08:15:30Z", "active": number % 2 == 0}
        ).encode()

    def rows(self, entity: str, parent: int) -> range:
        """Numbers of the rows of a list."""
        if entity == "project":
            return range(self.counts[entity])
        first = (parent - 1) * self.per[entity]
        return range(min(first, self.counts[entity]), min(first + self.per[entity], self.counts[entity]))


def _serve(connection: socket.socket, data: Rendered, latency: float) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    names = {plural.encode(): entity for entity, plural in LEVELS}
    source, left = data.file.fileno(), b""
    while True:
        while b"\r\n\r\n" not in left:
            more = connection.recv(65536)
            if not more:
                return
            left += more
        head, left = left.split(b"\r\n\r\n", 1)
        found = _TARGET.match(head)
        if latency:
            time.sleep(latency)
        if found is None or found[3] not in names:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            continue
        entity, query = names[found[3]], found[4] or b""
        whole = data.rows(entity, int(found[2] or 0))
        offset = int(match[1]) if (match := _OFFSET.search(query)) else 0
        size = int(match[1]) if (match := _SIZE.search(query)) else PAGE
        page = whole[offset : offset + size]
        begins = data.begins[entity]
        begin = begins[page.start] if page else 0
        length = begins[page.stop] - begin - 1 if page else 0
        front = b'{"total":%d,"offset":%d,"items":[' % (len(whole), offset)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(front) + length + 2, front),
            socket.MSG_MORE,
        )
        sent = 0
        while sent < length:
            sent += os.sendfile(connection.fileno(), source, begin + sent, length - sent)
        connection.sendall(b"]}")


def serve(told: Connection, executions: int) -> None:
    """Run the server until told to end. Tells its port; takes latencies in seconds, each answered by CPU seconds used so far."""
    data = Rendered(executions)
    state = {"latency": 0.0}
    server = socket.create_server(("127.0.0.1", 0), backlog=256)

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_quietly, args=(connection, data, state["latency"]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    told.send(server.getsockname()[1])
    while (latency := told.recv()) is not None:
        state["latency"] = latency
        told.send(time.process_time())


def _quietly(connection: socket.socket, data: Rendered, latency: float) -> None:
    with connection:
        try:
            _serve(connection, data, latency)
        except OSError:
            return


def folder_size(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
