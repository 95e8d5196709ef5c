import pytest

from spectra_assets.errors import ConfigurationError
from spectra_assets.names import (
    TableRef,
    camel,
    check_source,
    child_entity,
    lakehouse_name,
    plural,
    singular,
    target_field,
    without_collisions,
)


@pytest.mark.parametrize("name", ["zephyr", "a", "jira_cloud_2"])
def test_a_plain_source_name_is_valid(name: str) -> None:
    assert check_source(name) == name
    assert lakehouse_name(name) == f"{name}.Lakehouse"


@pytest.mark.parametrize("name", ["", "../x", "a b", "Zephyr", "2x", "x" * 41, "a/b", "a\n", "ä", "a.b", "-rf"])
def test_any_other_source_name_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ConfigurationError, match="for example sales_crm"):
        check_source(name)


def test_a_table_name_has_a_schema_and_a_table() -> None:
    ref = TableRef.parse("clean.cyclePhase")
    assert (str(ref), ref.location, ref.asset_path("zephyr")) == (
        "clean.cyclePhase",
        "Tables/clean/cyclePhase",
        ["zephyr", "clean", "cyclePhase"],
    )


@pytest.mark.parametrize("text", ["cycle", "bronze.cycle", "clean.", "clean.a b", "clean.../x", ".x"])
def test_any_other_table_name_is_refused_naming_the_schemas(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a schema of analyse, clean, .* for example clean\.cycle"):
        TableRef.parse(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("created_at", "createdAt"),
        ("linkedTCRCatalogTreeId", "linkedTCRCatalogTreeId"),
        ("ID", "id"),
        ("HTTPStatus", "httpStatus"),
        ("2nd place", "n2NdPlace"),
        ("with-dash", "withDash"),
        ("💥", "boom"),
        ("---", "field"),
        ("имя", "imya"),
        ("фамилия", "familiya"),
        ("Straße_Øst", "strasseOst"),
        ("制品名", "zhiPinMing"),
        ("a.b", "aB"),
    ],
)
def test_camel_case(text: str, name: str) -> None:
    assert camel(text) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (["id"], "cycleId"),
        (["key"], "cycleKey"),
        (["name"], "cycleName"),
        (["startDate"], "startDate"),
        (["owner", "id"], "ownerId"),
        (["owner", "name"], "owner"),
        (["owner", "email"], "ownerEmail"),
        (["a", "b", "name"], "aB"),
        (["a", "b", "c"], "aBC"),
    ],
)
def test_target_fields_follow_the_rules_of_the_product(path: list[str], name: str) -> None:
    assert target_field("cycle", path) == name


@pytest.mark.parametrize(("word", "many"), [("cycle", "cycles"), ("category", "categories"), ("box", "boxes"), ("day", "days")])
def test_singular_and_plural_undo_each_other(word: str, many: str) -> None:
    assert plural(word) == many
    assert singular(many) == word


@pytest.mark.parametrize("word", ["status", "class", "analysis"])
def test_words_that_only_look_plural_stay(word: str) -> None:
    assert singular(word) == word


@pytest.mark.parametrize(
    ("entity", "field", "scalar", "name"),
    [
        ("cycle", "cyclePhases", False, "cyclePhase"),
        ("testcase", "requirementIds", True, "testcaseRequirement"),
        ("execution", "defects", False, "executionDefect"),
        ("user", "users", False, "userUser"),
        ("thing", "Id", True, "thingId"),
    ],
)
def test_child_tables_are_named_by_the_singular(entity: str, field: str, scalar: bool, name: str) -> None:
    assert child_entity(entity, field, scalar) == name


def test_a_collision_gets_a_number_whatever_its_case_and_never_loses_a_column() -> None:
    assert without_collisions(["a", "b", "A", "a", "a2"]) == ["a", "b", "A2", "a3", "a22"]
