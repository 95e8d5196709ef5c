"""Servers that other people wrote, each installed into a folder of its own, seeded, and run on 127.0.0.1."""

from benchmarks.any_api.servers.airflow import Airflow
from benchmarks.any_api.servers.buildbot import Buildbot
from benchmarks.any_api.servers.datasette import Datasette
from benchmarks.any_api.servers.django_rest import DjangoRest
from benchmarks.any_api.servers.fastapi_shop import FastApiShop
from benchmarks.any_api.servers.json_server import JsonServer
from benchmarks.any_api.servers.jsonapi_server import JsonApiServer
from benchmarks.any_api.servers.kinto import Kinto
from benchmarks.any_api.servers.label_studio import LabelStudio
from benchmarks.any_api.servers.pygeoapi import Pygeoapi
from benchmarks.any_api.servers.roundup import Roundup
from benchmarks.any_api.servers.server import RealServer

SERVERS: tuple[type[RealServer], ...] = (
    Kinto,
    JsonServer,
    Pygeoapi,
    Datasette,
    DjangoRest,
    FastApiShop,
    JsonApiServer,
    Roundup,
    Airflow,
    Buildbot,
    LabelStudio,
)
