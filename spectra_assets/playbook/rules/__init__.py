"""The typed rules that stand in playbooks and in STANDARDS.md: one model per kind, unknown keys refused.

Where a rule becomes part of a covenant, its fields carry the names that the covenant's models use. Two conventions hold
everywhere: a table that a rule makes is named bare (`dimProject`), a table that it reads is named `stage.table`
(`clean.project`). Column and expression texts are Spark SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, get_args

from pydantic import Field

from spectra_assets.playbook.rules.access import (
    EndpointRule,
    OrderRule,
    PagingRule,
    RecordsRule,
    RefusedRule,
    RouteRule,
    WithholdRule,
)
from spectra_assets.playbook.rules.fields import (
    AddFieldRule,
    AliasesRule,
    AliasRule,
    DateFormatRule,
    DeduplicateRule,
    DeletedRule,
    FieldRule,
    PiiRule,
    PrimaryKeyRule,
    ReadAsRule,
    ReferenceRule,
    RenameRule,
    RequiredRule,
    TypeRule,
)
from spectra_assets.playbook.rules.figures import Chart, DeriveRule, EnrichRule, Join, KpiRule, Reconciliation
from spectra_assets.playbook.rules.rule import BaseRule, Part, Scope, fits, keys, unknown
from spectra_assets.playbook.rules.setting import SETTINGS, KnownSetting, SettingRule
from spectra_assets.playbook.rules.star import (
    BridgeRule,
    CalendarRule,
    DimensionRule,
    EnumerationRule,
    FactRule,
    Hop,
    LabelRule,
    OmitRule,
    Reference,
)

__all__ = [
    "KINDS",
    "OF_CANON",
    "SETTINGS",
    "AddFieldRule",
    "AliasRule",
    "AliasesRule",
    "BaseRule",
    "BridgeRule",
    "CalendarRule",
    "Chart",
    "DateFormatRule",
    "DeduplicateRule",
    "DeletedRule",
    "DeriveRule",
    "DimensionRule",
    "EndpointRule",
    "EnrichRule",
    "EnumerationRule",
    "FactRule",
    "FieldRule",
    "Hop",
    "Join",
    "KnownSetting",
    "KpiRule",
    "LabelRule",
    "OmitRule",
    "OrderRule",
    "PagingRule",
    "Part",
    "PiiRule",
    "PrimaryKeyRule",
    "ReadAsRule",
    "Reconciliation",
    "RecordsRule",
    "Reference",
    "ReferenceRule",
    "RefusedRule",
    "RenameRule",
    "RequiredRule",
    "RouteRule",
    "Rule",
    "Scope",
    "SettingRule",
    "TypeRule",
    "WithholdRule",
    "fits",
    "keys",
    "unknown",
]

Rule = Annotated[
    RenameRule
    | TypeRule
    | RequiredRule
    | PrimaryKeyRule
    | PiiRule
    | AddFieldRule
    | DateFormatRule
    | AliasRule
    | AliasesRule
    | DeduplicateRule
    | DeletedRule
    | WithholdRule
    | ReadAsRule
    | ReferenceRule
    | RouteRule
    | EndpointRule
    | RecordsRule
    | PagingRule
    | OrderRule
    | RefusedRule
    | LabelRule
    | SettingRule
    | DimensionRule
    | EnumerationRule
    | CalendarRule
    | FactRule
    | BridgeRule
    | EnrichRule
    | DeriveRule
    | KpiRule
    | OmitRule,
    Field(discriminator="kind"),
]

KINDS: Mapping[str, type[BaseRule]] = MappingProxyType(
    {cls.model_fields["kind"].default: cls for cls in get_args(get_args(Rule)[0])}
)
"""Name of each kind → its model."""

OF_CANON = frozenset(kind for kind, model in KINDS.items() if model.of_canon)
"""Kinds of rules that the canon follows."""
