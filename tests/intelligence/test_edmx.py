"""OData's `$metadata`: entity sets with their keys, properties and references, of V4 and of V2."""

from __future__ import annotations

import pytest

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.edmx import EntitySet, entity_sets

V4 = b"""<?xml version="1.0"?><edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>
<Schema Namespace="Shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Thing" Abstract="true"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int64"/></EntityType>
<EntityType Name="Order" BaseType="Shop.Thing"><Property Name="At" Type="Edm.DateTimeOffset"/><Property Name="Via" Type="Edm.Int64"/>
<Property Name="Rest" Type="Shop.Address"/><NavigationProperty Name="Lines" Type="Collection(Shop.Line)"/>
<NavigationProperty Name="Carrier" Type="Shop.Firm"><ReferentialConstraint Property="Via" ReferencedProperty="Id"/></NavigationProperty>
</EntityType>
<EntityType Name="Firm" BaseType="Shop.Thing"><Property Name="Name" Type="Edm.String"/></EntityType>
<EntityType Name="Line"><Key><PropertyRef Name="OrderId"/><PropertyRef Name="No"/></Key></EntityType>
<EntityContainer Name="C"><EntitySet Name="Firms" EntityType="Shop.Firm"/><EntitySet Name="Carriers" EntityType="Shop.Firm"/>
<EntitySet Name="Orders" EntityType="Shop.Order"><NavigationPropertyBinding Path="Carrier" Target="Carriers"/></EntitySet>
<EntitySet Name="Lines" EntityType="Shop.Line"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"""

V2 = b"""<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>
<Schema Namespace="N" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
<EntityType Name="Product"><Key><PropertyRef Name="ProductID"/></Key><Property Name="ProductID" Type="Edm.Int32"/></EntityType>
<EntityType Name="Supplier"><Key><PropertyRef Name="SupplierID"/></Key></EntityType>
<Association Name="FK"><End Role="Suppliers" Type="N.Supplier"/><End Role="Products" Type="N.Product"/>
<ReferentialConstraint><Principal Role="Suppliers"><PropertyRef Name="SupplierID"/></Principal>
<Dependent Role="Products"><PropertyRef Name="MadeBy"/></Dependent></ReferentialConstraint></Association>
<EntityContainer Name="C"><EntitySet Name="Products" EntityType="N.Product"/><EntitySet Name="Suppliers" EntityType="N.Supplier"/>
</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"""


def told(document: bytes) -> dict[str, EntitySet]:
    return {each.name: each for each in entity_sets(document, "/$metadata")}


def test_sets_of_v4_with_inherited_keys_and_what_navigation_binds() -> None:
    sets = told(V4)
    assert {name: each.key for name, each in sets.items()} == {
        "Firms": ("Id",), "Carriers": ("Id",), "Orders": ("Id",), "Lines": ("OrderId", "No"),
    }  # fmt: skip
    assert sets["Orders"].references == {"Via": ("Carriers", "Id")}
    assert {each.raw: each.type for each in sets["Orders"].fields} == {"At": "date", "Via": "integer", "Id": "integer"}


def test_associations_of_v2_are_references_of_what_depends() -> None:
    sets = told(V2)
    assert sets["Products"].references == {"MadeBy": ("Suppliers", "SupplierID")}
    assert sets["Suppliers"].references == {}


@pytest.mark.parametrize("document", [b"", b"<a", b"<html></html>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_metadata_tells_no_set(document: bytes) -> None:
    try:
        assert told(document) == {}
    except DocumentError as error:
        assert "no $metadata" in str(error)  # noqa: PT017
