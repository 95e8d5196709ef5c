"""Tables of Analyse: what people look at, by kpi rules."""

from __future__ import annotations

from spectra_assets.covenant.build import Chart, Join, Kpi, Reconciliation
from spectra_assets.covenant.design import Design
from spectra_assets.covenant.following import followed, identifiers, typed
from spectra_assets.covenant.model import Column, Table
from spectra_assets.names import Stage
from spectra_assets.playbook import rules as written


def add_measures(design: Design) -> None:
    """A table for each KPI rule. A rule whose tables are not made is left out, with a notice."""
    for rule in followed(design, written.KpiRule, _kpi_reads):
        build = Kpi(
            rule=rule.id,
            table=rule.from_,
            joins=[Join(table=join.table, on=join.on, columns=join.columns) for join in rule.joins],
            where=rule.where,
            before=rule.before,
            group_by=rule.group_by,
            measures=rule.measures,
            after=rule.after,
            keep=rule.keep,
            order_by=rule.order_by,
            chart=Chart(**rule.chart.model_dump()) if rule.chart else None,
            reconcile=Reconciliation(**rule.reconcile.model_dump()),
        )
        table = Table(
            table=f"analyse.{rule.name}",
            description=rule.description or rule.title,
            inputs=_kpi_reads(rule),
            grain=rule.grain,
            primary_key=[],
            steps=[],
            build=build,
        )
        kept = design.add(design.playbooks.of(Stage.ANALYSE), table)
        if kept is not None:
            how = {**rule.before, **rule.measures, **rule.after}
            columns = [
                column.model_copy(update={"lineage": _kpi_lineage(design, rule, column), "description": how.get(column.name, "")})
                for column in typed(design, kept, [rule])
            ]
            design.tables[kept.table] = kept.model_copy(update={"schema_": columns, "primary_key": rule.group_by})


def _kpi_reads(rule: written.KpiRule) -> list[str]:
    return list(dict.fromkeys([rule.from_, *(join.table for join in rule.joins), rule.reconcile.table]))


def _kpi_lineage(design: Design, rule: written.KpiRule, column: Column) -> list[str]:
    """Columns of the inputs that a KPI's column is calculated from, through the names it uses on the way."""
    made = {**rule.before, **rule.measures, **rule.after}
    places = {name: f"{rule.from_}.{name}" for name in design.tables[rule.from_].columns}
    places |= {name: f"{join.table}.{name}" for join in rule.joins for name in join.columns}
    found: dict[str, None] = {}
    seen: set[str] = set()

    def follow(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        if name in made:
            for word in identifiers(made[name]):
                follow(word)
        elif name in places:
            found[places[name]] = None

    follow(column.name)
    return list(found)
