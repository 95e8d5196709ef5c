"""Configuration of a Buildbot master (read by the environment that `servers/buildbot.py` installs)."""

import os

from buildbot.plugins import schedulers, steps, util, worker

factory = util.BuildFactory()
factory.addStep(steps.ShellCommand(command=["true"]))
BuildmasterConfig = {
    "workers": [worker.Worker(f"worker{n}", "unused") for n in range(12)],
    "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=[f"builder{n}" for n in range(15)])],
    "builders": [
        util.BuilderConfig(
            name=f"builder{n}",
            workernames=[f"worker{n % 12}"],
            factory=factory,
            description=f"builder-{n:012x}",
            project=f"project{n % 3}",
        )
        for n in range(15)
    ],
    "projects": [util.Project(name=f"project{n}") for n in range(3)],
    "title": "Seeded",
    "titleURL": "http://127.0.0.1/",
    "buildbotURL": "http://127.0.0.1/",
    "www": {"port": f"tcp:{os.environ['BUILDBOT_TEST_PORT']}:interface=127.0.0.1", "plugins": {}},
    "db": {"db_url": "sqlite:///state.sqlite"},
    "buildbotNetUsageData": None,
}
