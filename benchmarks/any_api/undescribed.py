"""APIs that nobody described and whose roots name nothing: what share of their lists discovery finds, by how many requests.

python -m benchmarks.any_api.undescribed [--by-hand] [world …]

Each world is a little API on loopback: its lists, nested ones among them, are written down here. They were written before the
vocabulary that discovery guesses with; a name is never added to the vocabulary because a world here has it.
`--by-hand`: the lists that were not found are named, as a person would by `--list`. Ends with 1 if one is still missing then.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.given import Wanted
from spectra_assets.errors import SpectraError
from spectra_assets.settings import Settings

ROWS = 12

Lists = dict[str, str]
"""Path template → fields of its records, separated by blanks: `name=word` has that word as value, `x:other` the ids of a list,
`x.y` is nested. A list below a parent's id has its rows for each parent."""

WORLDS: dict[str, tuple[str, Lists]] = {
    "football": (
        "/api/v2",
        {
            "/clubs": "id name city founded stadiumId:stadiums",
            "/stadiums": "id name capacity",
            "/players": "id firstName lastName clubId:clubs position birthDate",
            "/coaches": "id name clubId:clubs",
            "/referees": "id name licence",
            "/seasons": "id name start end",
            "/fixtures": "id seasonId:seasons homeClubId:clubs awayClubId:clubs refereeId:referees kickoff",
            "/transfers": "id playerId:players fromClubId:clubs toClubId:clubs fee",
            "/injuries": "id playerId:players since",
            "/seasons/{id}/standings": "rank clubId:clubs points",
            "/fixtures/{id}/goals": "id minute playerId:players",
            "/fixtures/{id}/cards": "id minute colour playerId:players",
            "/fixtures/{id}/lineups": "id clubId:clubs playerId:players shirt",
            "/clubs/{id}/sponsors": "id name amount",
        },
    ),
    "playhouse": (
        "",
        {
            "/plays": "id title playwright premiere",
            "/productions": "id playId:plays director seasonCode:seasons budget",
            "/performances": "id productionId:productions startsAt hallId:halls sold",
            "/halls": "id name seats",
            "/actors": "id name agent",
            "/roles": "id playId:plays name",
            "/tickets": "id performanceId:performances seat price customerId:customers",
            "/customers": "id name email",
            "/seasons": "code name",
            "/subscriptions": "id customerId:customers seasonCode:seasons",
            "/costumes": "id size roleId:roles",
            "/productions/{id}/cast": "id actorId:actors roleId:roles",
            "/productions/{id}/rehearsals": "id startsAt roomName",
            "/performances/{id}/reviews": "id stars text",
        },
    ),
    "ward_kitchen": (
        "/kitchen/v1",
        {
            "/wards": "id name floor",
            "/patients": "id name wardId:wards dietId:diets",
            "/diets": "id name calories",
            "/meals": "id name dietId:diets course",
            "/menus": "id weekStart status",
            "/recipes": "id title servings",
            "/ingredients": "id name unit supplierId:suppliers",
            "/suppliers": "id name phone",
            "/allergens": "code name",
            "/deliveries": "id supplierId:suppliers deliveredOn",
            "/meal-orders": "id patientId:patients mealId:meals servedAt",
            "/menus/{id}/days": "id date mealId:meals",
            "/recipes/{id}/steps": "id number text",
            "/patients/{id}/allergies": "id allergenCode:allergens severity",
        },
    ),
    "vet": (
        "/v1",
        {
            "/owners": "id name phone",
            "/pets": "id name species ownerId:owners breedId:breeds",
            "/breeds": "id name",
            "/vets": "id name speciality",
            "/appointments": "id petId:pets vetId:vets startsAt",
            "/treatments": "id appointmentId:appointments medicineCode:medicines dose",
            "/medicines": "code name price",
            "/invoices": "id ownerId:owners total issuedOn",
            "/rooms": "id name",
            "/species": "code name",
            "/pets/{id}/vaccinations": "id vaccine givenOn",
            "/pets/{id}/weights": "id kg measuredOn",
            "/invoices/{id}/lines": "id text amount",
            "/vets/{id}/shifts": "id from to",
        },
    ),
    "car_hire": (
        "/rest",
        {
            "/vehicles": "vin plate model_id:models branch_code:branches mileage",
            "/models": "id name make_id:makes seats",
            "/makes": "id name",
            "/branches": "code name city",
            "/drivers": "id name licence_no",
            "/reservations": "id driver_id:drivers model_id:models pickup_at",
            "/rentals": "id reservation_id:reservations vehicle_vin:vehicles returned_at",
            "/damages": "id rental_id:rentals cost",
            "/tariffs": "code name daily",
            "/extras": "code name price",
            "/payments": "id rental_id:rentals amount",
            "/vehicles/{vin}/services": "id date workshop_name cost",
            "/rentals/{id}/charges": "id text amount",
            "/branches/{code}/opening_hours": "id weekday opens closes",
        },
    ),
    "acme": (
        "",
        {
            "/machines": "id name line_id:lines commissioned",
            "/lines": "id name plant_code:plants",
            "/plants": "code name country",
            "/work_orders": "id machine_id:machines operator_id:operators due",
            "/operators": "id name shift",
            "/parts": "id sku description",
            "/boms": "id part_id:parts revision",
            "/inspections": "id work_order_id:work_orders result",
            "/defects": "id inspection_id:inspections kind",
            "/tools": "id name",
            "/batches": "id part_id:parts quantity",
            "/boms/{id}/components": "id part_id:parts quantity",
            "/machines/{id}/downtimes": "id reason minutes",
            "/machines/{id}/sensors": "id kind unit",
        },
    ),
    "northwind": (
        "",
        {
            "/categories": "id name description",
            "/customers": "id companyName contactName city",
            "/employees": "id lastName firstName title reportsTo",
            "/orders": "id customerId:customers employeeId:employees orderDate shipperId:shippers",
            "/products": "id name supplierId:suppliers categoryId:categories unitPrice",
            "/regions": "id description",
            "/shippers": "id companyName phone",
            "/suppliers": "id companyName contactName",
            "/territories": "id description regionId:regions",
            "/orders/{id}/details": "productId:products quantity discount",
            "/employees/{id}/territories": "territoryId:territories",
        },
    ),
    "chinook": (
        "/api",
        {
            "/artists": "ArtistId Name",
            "/albums": "AlbumId Title ArtistId:artists",
            "/tracks": "TrackId Name AlbumId:albums MediaTypeId:media-types GenreId:genres Milliseconds",
            "/genres": "GenreId Name",
            "/media-types": "MediaTypeId Name",
            "/playlists": "PlaylistId Name",
            "/customers": "CustomerId FirstName Company SupportRepId:employees",
            "/employees": "EmployeeId LastName Title",
            "/invoices": "InvoiceId CustomerId:customers InvoiceDate Total",
            "/invoices/{id}/items": "InvoiceLineId TrackId:tracks Quantity",
            "/playlists/{id}/tracks": "PlaylistTrackId TrackId:tracks",
        },
    ),
    "sakila": (
        "/v2",
        {
            "/actors": "actor_id first_name last_name",
            "/films": "film_id title language_id:languages rental_rate",
            "/categories": "category_id name",
            "/languages": "language_id name",
            "/inventories": "inventory_id film_id:films store_id:stores",
            "/rentals": "rental_id inventory_id:inventories customer_id:customers staff_id:staff rental_date",
            "/customers": "customer_id first_name store_id:stores address_id:addresses",
            "/payments": "payment_id customer_id:customers rental_id:rentals amount",
            "/staff": "staff_id first_name store_id:stores",
            "/stores": "store_id address_id:addresses",
            "/addresses": "address_id address district city_id:cities",
            "/cities": "city_id city country_id:countries",
            "/countries": "country_id country",
            "/films/{id}/actors": "film_actor_id actor_id:actors",
        },
    ),
}  # fmt: skip
"""The last three are the schemas of well-known example databases, which other people thought of."""


def _value(name: str, lists: Lists, place: str, row: int, parent: str) -> Any:
    field, _, of = name.partition(":")
    if of:
        first = lists[f"/{of}"].split()[0]
        return _value(first, lists, f"/{of}", row * 5 % ROWS, "")
    if field == "id" or (field == lists[place].split()[0] and field.lower().endswith("id")):
        return row + 1 + 100 * (sum(map(ord, place + parent)) % 97)
    if field in ("code", "vin"):
        return f"{place[1:4].upper()}{row:03d}"
    if re.search(r"(At|On|Date|Start|start|end|since|_at|date|due)$", field):
        return f"2025-{row + 1:02d}-11"
    if field in ("rank", "points", "capacity", "minute", "stars", "number", "quantity", "minutes", "floor", "seats"):
        return row * 3 + 1
    return f"{field} {row}"


def rows(lists: Lists, place: str, parent: str = "") -> list[dict[str, Any]]:
    """The records of one list, of one parent where it hangs on one."""
    return [
        {name.partition(":")[0]: _value(name, lists, place, row, parent) for name in lists[place].split()} for row in range(ROWS)
    ]


@contextmanager
def serving(base: str, lists: Lists) -> Iterator[tuple[str, list[str]]]:
    """(base URL, paths asked so far) of the running API."""
    asked: list[str] = []

    def answer(path: str) -> Any:
        if not (path + "/").startswith(base + "/"):
            return None
        path = path[len(base) :].rstrip("/")
        if not path:
            return {"status": "ok", "version": "1.4"}
        if path in lists:
            return rows(lists, path)
        for place in lists:
            key = lists[place].split()[0]
            for record in rows(lists, place) if "{" not in place else ():
                if path == f"{place}/{record[key]}":
                    return record
        for place in lists:
            match = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", place), path)
            if match and "{" in place:
                above = place.partition("/{")[0]
                key = lists[above].split()[0]
                if unquote(match[1]) in {str(record[key]) for record in rows(lists, above)}:
                    return rows(lists, place, match[1])
        return None

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            asked.append(path)
            found = answer(path)
            data = json.dumps({"error": "not found"} if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{base}", asked
    finally:
        server.shutdown()
        server.server_close()


def found(name: str, by_hand: list[str]) -> tuple[set[str], int]:
    """(lists of the world that discovery found, requests it sent)."""
    base, lists = WORLDS[name]
    with tempfile.TemporaryDirectory() as folder, serving(base, lists) as (base_url, asked):
        settings = Settings(project=Path(folder), lakehouse_root=f"{folder}/lakehouse")
        wanted = Wanted(paths=tuple(by_hand)) if by_hand else Wanted()
        try:
            pack = discover(settings, name, base_url, wanted)
        except SpectraError as error:
            print(f"{name}: {error}")
            return set(), len(asked)
    routes = {re.sub(r"\{\w+\}", "{}", path) for hint in pack.entities for path in hint.routes}
    return {path for path in lists if re.sub(r"\{\w+\}", "{}", path) in routes}, len(asked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--by-hand", action="store_true", help="name what was not found, and find out again")
    parser.add_argument("worlds", nargs="*", default=list(WORLDS), help=", ".join(WORLDS))
    chosen = parser.parse_args()
    missing = 0
    for name in chosen.worlds:
        lists = WORLDS[name][1]
        seen, sent = found(name, [])
        left = [path for path in lists if path not in seen]
        print(f"{name}: {len(seen)} of {len(lists)} lists, {sent} requests; not found: {', '.join(left) or 'none'}")
        if chosen.by_hand and left:
            seen, sent = found(name, left)
            missing += len(lists) - len(seen)
            print(f"{name}: {len(seen)} of {len(lists)} lists with those named by hand, {sent} requests")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
