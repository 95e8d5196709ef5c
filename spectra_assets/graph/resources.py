"""What assets need beside their inputs: the engine, the lakehouses' root, the project's documents."""

from __future__ import annotations

from contextlib import ExitStack

import dagster as dg
from pydantic import PrivateAttr

from spectra_assets.graph.presence import present
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.playbook.model import Playbooks
from spectra_assets.settings import Settings
from spectra_assets.settings import load as load_settings
from spectra_assets.stages.design import playbooks_of


class EngineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The relational engine: started for a run, stopped with it, unless this process has one running already."""

    _engine: Engine | None = PrivateAttr(default=None)
    _owned: bool = PrivateAttr(default=False)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        settings = load_settings()
        self._owned = not engines.is_running()
        self._engine = engines.shared(settings)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._owned and self._engine is not None:
            self._engine.stop()

    @property
    def engine(self) -> Engine:
        """The running engine."""
        assert self._engine is not None  # noqa: S101 (Dagster sets resources up before it hands them out)
        return self._engine


class ProjectResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Settings and playbooks of the project, read when a run starts; others see that it is under way as long as it lives."""

    _settings: Settings | None = PrivateAttr(default=None)
    _present: ExitStack = PrivateAttr(default_factory=ExitStack)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._settings = load_settings()
        if context.run is not None and context.instance is not None:
            self._present.enter_context(present(context.instance, context.run.run_id))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        self._present.close()

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        assert self._settings is not None  # noqa: S101
        return self._settings

    @property
    def playbooks(self) -> Playbooks:
        """The playbooks as they are now. Raises DocumentError."""
        return playbooks_of(self.settings)
