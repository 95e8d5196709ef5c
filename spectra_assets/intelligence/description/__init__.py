"""Descriptions of APIs: OpenAPI, Swagger, API Blueprint, plain catalogues → one `Description`."""

from spectra_assets.intelligence.description.model import Description, RecordShape, Reply, Scheme
from spectra_assets.intelligence.description.read import read_description

__all__ = ["Description", "RecordShape", "Reply", "Scheme", "read_description"]
