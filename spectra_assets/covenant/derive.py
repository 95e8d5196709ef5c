"""Rules for a source that nobody wrote any for: its star, its meaning and its figures, derived from canon and Clean tables.

Derived rules are of the same kinds as written ones and are followed in the same way. A written rule with the same name, or over
the same clean table, takes a derived one's place; a rule of kind omit switches it off. So a person may correct any of them,
and generating the covenant again keeps the correction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from pydantic import ValidationError

from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.design import Design
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.network import Node, network
from spectra_assets.names import words
from spectra_assets.playbook import rules as written
from spectra_assets.playbook.model import Notice

R = TypeVar("R", bound=written.BaseRule)

FILE = "derived"
"""Where a derived rule stands: in no document."""

StarRule = written.DimensionRule | written.EnumerationRule | written.CalendarRule | written.FactRule | written.BridgeRule


@dataclass
class Deriving:
    """What rules are derived from, and what holds for their names."""

    design: Design
    canon: Canon
    ids: set[str] = field(default_factory=set)
    fitting: set[str] = field(default_factory=set)
    """Ids of the omit rules that left something out."""

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The Clean tables with their links."""
        return network(self.canon, self.design.tables)

    def documented(self, kind: type[R]) -> list[R]:
        """Rules of a kind that stand in documents and are for this source."""
        return [rule for rule in self.design.playbooks.rules(kind, self.design.facts.source) if rule.file != FILE]

    @cached_property
    def star_rules(self) -> list[StarRule]:
        """Written rules that make tables of the star."""
        rules = self.design.playbooks.rules(written.BaseRule, self.design.facts.source)
        return [rule for rule in rules if isinstance(rule, StarRule) and rule.file != FILE]

    @cached_property
    def omitting(self) -> list[written.OmitRule]:
        return self.documented(written.OmitRule)

    @property
    def nothing(self) -> bool:
        """Whether a rule says that nothing at all is derived for this source."""
        return any(rule.name == "*" for rule in self.omitting)

    def omits(self, name: str) -> bool:
        """Whether a rule leaves out what is derived under this name."""
        found = [rule.id for rule in self.omitting if written.fits(rule.name, name)]
        self.fitting.update(found)
        return bool(found)

    def rule(self, kind: type[R], about: str, /, **keys: Any) -> list[R]:
        """The derived rule with these keys; none, and a notice, if its names are not such as rules may have."""
        slug = "-".join(words(about)).lower()[:100] or "rule"
        key = unused([f"derived-{kind.model_fields['kind'].default}-{slug}"[:110]], self.ids)
        scope = {"source": self.design.facts.source}
        try:
            made = kind.model_validate({"id": key, "scope": scope, **keys}, context={"file": FILE, "line": 0})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            self.note(f"{about} is not derived: {place}: {first['msg']}")
            return []
        self.ids.add(key)
        return [made]

    def note(self, text: str) -> None:
        self.design.notices.append(Notice(text, FILE, 0))


Step = Callable[[Deriving], Iterable[written.BaseRule]]


def follow(deriving: Deriving, step: Step) -> None:
    """Add the rules that `step` derives to those that the design follows, before the written ones."""
    derived = [] if deriving.nothing else list(step(deriving))
    playbooks = deriving.design.playbooks
    standards = replace(playbooks.standards, rules=(*derived, *playbooks.standards.rules))
    deriving.design.playbooks = replace(playbooks, standards=standards)


def note_idle(deriving: Deriving) -> None:
    """Tell of omit rules that leave nothing out."""
    for rule in deriving.omitting:
        if rule.id not in deriving.fitting and not deriving.nothing:
            text = f"the rule {rule.id} leaves nothing out: nothing is derived under the name {rule.name}"
            deriving.design.notices.append(Notice(text, rule.file, rule.line))
