"""Answers about the server itself: preferences, fields, attachments, licence, system, and what needs another service.

Observed: statuses and bodies of calls without their mandatory parameters, the attachment keys, and that preferences are
{name, value} with the execution statuses under testresult.testresultStatus.LOV. The other bodies are inferred.
"""

from __future__ import annotations

from typing import Any

from spectra_assets.standin.calls import Call, Record, Refusal
from spectra_assets.standin.chance import DAY_MS, FIRST_DAY_MS, TODAY_MS
from spectra_assets.standin.layout import VERSION, World, shared_id
from spectra_assets.standin.planning import user_token_record
from spectra_assets.standin.routes import Handler
from spectra_assets.standin.testware import requirement_record

STATUS_PREFERENCE = "testresult.testresultStatus.LOV"
"""Preference which holds the configured execution statuses, as JSON in a text (C23)."""

_PREFERENCES: dict[str, str] = {
    STATUS_PREFERENCE: (
        '[{"id":"1","value":"Pass","color":"#34a853"},{"id":"2","value":"Fail","color":"#ea4335"},'
        '{"id":"3","value":"WIP","color":"#fbbc04"},{"id":"4","value":"Blocked","color":"#4285f4"}]'
    ),
    "testcase.priority.LOV": '[{"id":"1","value":"P1"},{"id":"2","value":"P2"},{"id":"3","value":"P3"}]',
    "system.dateFormat": "MM/DD/YYYY",
    "system.timeZone": "UTC",
}

_FIELD_TYPES = ((1, "Text"), (2, "Long text"), (3, "Number"), (4, "Date"), (5, "Picklist"), (6, "Checkbox"))
_FIELDS = (
    (1, "testcase", "name", 1),
    (2, "testcase", "priority", 5),
    (3, "testcase", "tag", 1),
    (4, "testcase", "automated", 6),
    (5, "requirement", "name", 1),
    (6, "requirement", "priority", 5),
    (7, "requirement", "externalId", 1),
    (8, "testcase", "component", 5),
)

_ATTACHED = {"testcase": 1, "requirement": 2, "releaseTestSchedule": 3}
"""Attachment types, which are case-sensitive (C19), with their number in attachment ids."""


def required(call: Call, name: str, status: int, message: str = "", code: str | None = None) -> str:
    """The mandatory query parameter `name`; without it the given refusal."""
    value = call.text(name)
    if value is None:
        raise Refusal(status, message, code)
    return value


def _all_preferences(call: Call) -> list[Record]:
    return [_preference(number, name) for number, name in enumerate(_PREFERENCES, 1)]


def _preference(number: int, name: str) -> Record:
    return {"id": number, "name": name, "value": _PREFERENCES[name], "defaultValue": _PREFERENCES[name]}


def _one_preference(call: Call) -> Record:
    key = required(call, "key", 400, "name cannot be null.", "141z05")
    if key not in _PREFERENCES:
        raise Refusal(400, "name cannot be null.", "141z05")
    return _preference(list(_PREFERENCES).index(key) + 1, key)


def _system_preferences(call: Call) -> list[Record]:
    name = call.text("name")
    return [record for record in _all_preferences(call) if name is None or record["name"] == name]


def _preference_usage(call: Call) -> Record:
    return {"name": required(call, "preferencename", 400, "name cannot be null.", "141z05"), "used": True}


def _field(number: int) -> Record:
    field_id, entity, name, kind = _FIELDS[number - 1]
    label = name.capitalize()
    return {
        "id": field_id,
        "entityName": entity,
        "fieldName": name,
        "displayName": label,
        "fieldTypeMetadata": kind,
        "systemField": field_id < 8,
    }


def _all_fields() -> list[Record]:
    return [_field(number) for number in range(1, len(_FIELDS) + 1)]


def _field_by_id(call: Call) -> Record:
    number = call.id("id")
    if not 1 <= number <= len(_FIELDS):
        raise Refusal(500)
    return _field(number)


def _fields_by_id(call: Call) -> list[Record]:
    return [_field(number) for number in call.numbers("ids") if 1 <= number <= len(_FIELDS)]


def _fields_of_entity(call: Call) -> list[Record]:
    entity = call.params.get("entityname") or call.params.get("entityName")
    return [record for record in _all_fields() if record["entityName"] == entity]


def _field_by_name(call: Call) -> list[Record]:
    name = required(call, "name", 428, "fieldName cannot be null.", "Precondition Required")
    return [record for record in _all_fields() if record["fieldName"] == name]


def _field_name(call: Call) -> list[Record]:
    name = required(call, "name", 204)
    return [record for record in _all_fields() if record["fieldName"] == name]


def _validate_field(call: Call) -> Record:
    entity = required(call, "entityname", 400, "entityName cannot be null.", "122z04")
    name = call.text("searchfieldname")
    return {"valid": not any(record["entityName"] == entity and record["fieldName"] == name for record in _all_fields())}


def _attachments(call: Call) -> list[Record]:
    """Attachments of one item. As ids share one space, a tree node's id can give a testcase's file (C18)."""
    kind, number = call.text("type") or "", call.number("itemid")
    if kind not in _ATTACHED or number is None or not _has_attachment(call.world, kind, number):
        return []
    return [_attachment(kind, number)]


def _has_attachment(world: World, kind: str, number: int) -> bool:
    if kind == "testcase":
        return 0 <= number // 8 < world.testcases and number // 8 % 6 == 1
    if kind == "requirement":
        return 1 <= number <= world.requirements and requirement_record(world, number - 1)["attachmentCount"] > 0
    return 1 <= number <= world.executions and number % 8 == 1


def _attachment(kind: str, number: int) -> Record:
    position = number // 8 if kind == "testcase" else number
    return {
        "id": 4 * position + _ATTACHED[kind],
        "name": f"Bildschirmfoto {position} “final”.txt",
        "refId": f"{kind}-{position}",
        "link": False,
        "itemId": number,
        "itemType": kind,
        "contentType": "text/plain",
    }


def _attachment_by_id(call: Call) -> Record:
    position, kind_number = divmod(call.id("id"), 4)
    for kind, number in _ATTACHED.items():
        item = _item(kind, position)
        if number == kind_number and _has_attachment(call.world, kind, item):
            return _attachment(kind, item)
    raise Refusal(500)


def _item(kind: str, position: int) -> int:
    """Id of the item at `position`: a testcase's version id, else the position itself."""
    return shared_id(position, VERSION) if kind == "testcase" else position


def download(world: World, reference: str) -> bytes:
    """Content of an attachment by its refId; an unknown one is 500, as observed."""
    kind, _, position = reference.partition("-")
    if kind not in _ATTACHED or not position.isdecimal() or not _has_attachment(world, kind, _item(kind, int(position))):
        raise Refusal(500)
    return f"attachment {reference}\n".encode()


def _licence(call: Call) -> Record:
    return {"edition": "Enterprise", "users": call.world.users, "expiryDate": TODAY_MS + 365 * DAY_MS, "valid": True}


def _licence_peak(call: Call) -> Record:
    return {"licenseType": required(call, "licensetype", 500), "peak": call.world.users, "date": FIRST_DAY_MS}


def _server_time(call: Call) -> int:
    """Epoch ms of the server's day; its clock moves only with the data."""
    return TODAY_MS + call.world.day * DAY_MS


def _statistics(call: Call) -> Record:
    world = call.world
    return {
        "projects": len(world.projects),
        "testcases": world.testcases,
        "executions": world.executions,
        "requirements": world.requirements,
        "users": world.users,
    }


def _none(call: Call) -> list[Any]:
    """There are none here."""
    return []


def _refused(status: int) -> Handler:
    def handler(call: Call) -> Any:
        raise Refusal(status)

    return handler


def _needs(name: str, status: int = 400) -> Handler:
    """Nothing to give, and the given refusal without the mandatory parameter."""

    def handler(call: Call) -> Any:
        required(call, name, status)
        return []

    return handler


ROUTES: dict[str, Handler] = {
    "/admin/preference": _one_preference,
    "/admin/preference/all": _all_preferences,
    "/admin/preference/admin": _all_preferences,
    "/admin/preference/anonymous": _all_preferences,
    "/admin/preference/lov/all": lambda call: [each for each in _all_preferences(call) if each["name"].endswith(".LOV")],
    "/admin/preference/item/usage": _preference_usage,
    "/v4/admin/preference/all/system": _system_preferences,
    "/admin/user/preference": _none,
    "/admin/app": lambda call: {"name": "Zephyr Enterprise (stand-in)", "version": "8.4", "build": "0"},
    "/admin/backup/schedule": lambda call: {"enabled": False},
    "/admin/ldap/default/settings": lambda call: {"authenticationSystem": 0},
    "/attachment": _attachments,
    "/v3/attachment": _attachments,
    "/attachment/{id}": _attachment_by_id,
    "/automation/schedule": _needs("schedulejobid"),
    "/upload-file/automation/schedule/get-latest-job-progress": _needs("jobid"),
    "/upload-file/automation/file-upload-job/list": _needs("projectId"),
    "/fileWatcher/watcher": _needs("schedulejobid"),
    "/externalGroup/search": _refused(500),
    "/v3/externalGroup/search": _refused(500),
    "/v3/jobprogress/{id}": lambda call: {"id": call.id("id"), "progress": 100, "status": "completed"},
    "/field": _field_by_name,
    "/field/{id}": _field_by_id,
    "/field/ids": _fields_by_id,
    "/field/name": _field_name,
    "/field/fieldtype": lambda call: [{"id": number, "name": name} for number, name in _FIELD_TYPES],
    "/field/metadata": lambda call: _all_fields(),
    "/field/importfields/{entityName}": _fields_of_entity,
    "/field/entity/{entityname}": _fields_of_entity,
    "/field/project/{id}": lambda call: _all_fields(),
    "/field/validate": _validate_field,
    "/info/license": _licence,
    "/license": _licence,
    "/license/detail": _refused(404),
    "/license/peak/detail": _licence_peak,
    "/system/info/license": _licence,
    "/system/info/channelinfo": _refused(404),
    "/system/info/cache/info": _none,
    "/system/info/servertime": _server_time,
    "/system/info/stats": _statistics,
    "/user/defect": lambda call: {"id": 1, "userName": "defect.user"},
    "/usertoken": lambda call: [user_token_record(call.world)],
}
