"""Settings that playbooks may give, and the rule which gives one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import StrictInt, StrictStr, ValidationInfo, field_validator

from spectra_assets.playbook.rules.rule import BaseRule, unknown


@dataclass(frozen=True)
class KnownSetting:
    """A setting that rules may give: its value without a rule (whose type it has) and what it means."""

    default: int | str
    meaning: str


SETTINGS: Mapping[str, KnownSetting] = MappingProxyType(
    {
        "sample_records": KnownSetting(200, "records which Prepare samples per entity"),
        "sample_parents": KnownSetting(8, "parents which Prepare tries per route when it samples"),
        "parent_pairs": KnownSetting(
            2_000,
            "requests at most for a list that takes ids of two unrelated parents, one for each pair, and for lists that only "
            "tell what belongs together",
        ),
        "page_size": KnownSetting(500, "rows asked for per page"),
        "probe_requests": KnownSetting(
            400,
            "requests which Source and Prepare together may send; each entity above twelve adds 25, what finds out how lists "
            "page may add half as many where no built-in pack tells it",
        ),
        "discovery_requests": KnownSetting(300, "requests which the discovery of an unknown source may send"),
        "most_pages": KnownSetting(100_000, "pages of one list after which it counts as endless"),
        "resume_hours": KnownSetting(24, "hours for which an extraction that was cut off is continued and not begun again"),
        "raw_keep": KnownSetting(2, "complete extractions of each entity whose raw pages are kept"),
        "recordings_keep": KnownSetting(
            2, "recordings of Source and Prepare that are kept per table, for proofs without the API"
        ),
        "recording_megabytes": KnownSetting(32, "size of one such recording, compressed; what goes beyond it is not recorded"),
        "proof_requests": KnownSetting(60, "requests which one proof of a remedy may send where the recordings hold no answer"),
        "requests_per_minute": KnownSetting(0, "requests to the API per minute at most; 0: as its covenant's server says"),
        "overlap_seconds": KnownSetting(
            3600, "seconds before the last change seen from which an extraction asks for what changed since"
        ),
        "sweep_runs": KnownSetting(10, "of so many extractions of an entity one reads everything; 1: all of them"),
        "sweep_days": KnownSetting(7, "days after which an extraction reads everything in any case"),
        "trust_runs": KnownSetting(
            10, "of so many runs of the sentence one measures again what Source and Prepare proved before; 1: all of them"
        ),
        "trust_days": KnownSetting(7, "days after which it is measured again in any case"),
        "proof_seconds": KnownSetting(300, "seconds which one proof of a remedy may take"),
        "lessons_per_source": KnownSetting(200, "lessons which a source may have; further gaps share one that says how many"),
        "lessons_alike": KnownSetting(20, "lessons of one table, check and cause; further gaps of the kind share one"),
        "lesson_rules": KnownSetting(100, "rules that lessons may bring for a source before a person has to approve each"),
        "learn_seconds": KnownSetting(
            900, "seconds which learning may take in one run, or in one pass of its job; what is left waits for the next one"
        ),
        "turn_seconds": KnownSetting(1800, "seconds which an extraction waits for another run that extracts the same entity"),
        "changes_accepted": KnownSetting(
            "",
            "what may follow versions of tables once: `clean.order@3` whatever it is now, `clean.order.total@3` one column; "
            "without a version always; all rules that name it count",
        ),
        "owner": KnownSetting("data-engineering", "team which answers for the pipeline"),
    }
)


class SettingRule(BaseRule):
    """A setting has this value for the sources in scope."""

    of_canon = False

    kind: Literal["setting"] = "setting"
    name: str
    value: StrictInt | StrictStr

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SETTINGS:
            raise ValueError(unknown("setting", name, SETTINGS))
        return name

    @field_validator("value")
    @classmethod
    def _valid(cls, value: int | str, info: ValidationInfo) -> int | str:
        known = SETTINGS.get(info.data.get("name", ""))
        if known is None:
            return value
        if isinstance(known.default, int):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{info.data['name']} is {value!r}; valid is a whole number from 1")
        elif not isinstance(value, str) or not value.strip():
            raise ValueError(f"{info.data['name']} is {value!r}; valid is a text")
        return value
