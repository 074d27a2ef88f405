"""Several processes on one PostgreSQL, behind a balancer that shares out callers and Agora among those that listen."""

import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from house import (
    Forge,
    House,
    ServiceProcess,
    Store,
    client,
    emulator_settings,
    eventually,
    merge,
    settings_values,
    toml,
)

from emulator.app import running
from emulator.settings import Settings as EmulatorSettings
from tests.ports import free_port
from tests.tcp_proxy import TcpProxy

# A step of a worker that died waits until its lease has run out.
PATIENCE = {"max_missing_seconds": 60}


class Replica(ServiceProcess):
    """One process; `pid` tells its rows apart, since a worker's id holds it."""

    def __init__(self, forge: Forge, config: Path, api_port: int, port: int, *words: str) -> None:
        super().__init__(forge, config, *words)
        self.log = config.with_suffix(".log")
        self.api_port = api_port
        self.port = port
        self.words = words

    @property
    def pid(self) -> int:
        return self._pid

    async def launch(self) -> None:
        listening = r"(api listening on \S+)\n" + (r"callbacks listening on \S+\n" if self.words[0] == "serve" else "")
        await self.start(listening)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def said(self, event: str) -> int:
        """How many lines of its log have this event."""
        return len(re.findall(rf'"event": ?"{event}"', self.log.read_text()))


@dataclass
class Cluster:
    """The house as callers see it, and the processes behind it."""

    house: House
    api: TcpProxy
    callbacks: TcpProxy
    root: Path
    forge: Forge
    values: Mapping[str, Any]
    replicas: list[Replica] = field(default_factory=list)

    @property
    def workers(self) -> list[Replica]:
        return [each for each in self.replicas if each.words[0] == "work"]

    @property
    def listeners(self) -> list[Replica]:
        return [each for each in self.replicas if each.words[0] == "serve"]

    async def add(self, *words: str) -> Replica:
        """A new process, which gets its share once it is up."""
        api_port, port = free_port(), free_port()
        config = self.root / f"replica-{len(list(self.root.glob('replica-*.toml')))}.toml"
        config.write_text(toml(merge(self.values, {"api": {"port": api_port}, "callbacks": {"port": port}})))
        replica = Replica(self.forge, config, api_port, port, *words)
        await replica.launch()
        self.replicas.append(replica)
        if words[0] == "serve":
            self.api.targets.append(api_port)
            self.callbacks.targets.append(port)
        return replica

    async def retire(self, replica: Replica) -> None:
        """As an orchestrator does it: nothing new goes there, then SIGTERM."""
        if replica.words[0] == "serve":
            self.api.targets.remove(replica.api_port)
            self.callbacks.targets.remove(replica.port)
        self.replicas.remove(replica)
        assert await replica.stop() == 0, replica.log.read_text()[-3000:]

    async def holder(self, recording: str) -> Replica | None:
        """The worker that has claimed the recording now."""
        rows = await self.house.rows(f"SELECT lease_owner FROM recordings WHERE id = '{recording}'")
        owner = str(rows[0][0] or "")
        return next((each for each in self.workers if f"-{each.pid}-" in owner), None)

    async def held(self, recording: str) -> Replica:
        """Wait until a worker has claimed it."""
        found: Replica = await eventually(lambda: self.holder(recording), 30, f"{recording} is claimed", 0.01)
        return found


@asynccontextmanager
async def clustered(
    forge: Forge,
    root: Path,
    store: Store,
    database_url: str,
    *,
    settings: Mapping[str, Any] | None = None,
    emulator: Mapping[str, Any] | None = None,
    listeners: int = 2,
    workers: int = 2,
) -> AsyncIterator[Cluster]:
    """A house of `serve --no-worker` and `work` processes; whatever becomes of them, none outlives the block."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(TcpProxy())
        callbacks = await stack.enter_async_context(TcpProxy())
        plan = emulator_settings(callbacks.port, ("main",), {}, emulator or {})
        agora = await stack.enter_async_context(running(EmulatorSettings.model_validate(plan)))
        values = settings_values(root, store.server, agora, 0, database_url, ("main",))
        http = await stack.enter_async_context(client())
        house = House(api.url, callbacks.url, agora, store, http, database_url)
        cluster = Cluster(house, api, callbacks, root, forge, merge(values, settings or {}))
        stack.push_async_callback(_end, cluster)
        for _ in range(listeners):
            await cluster.add("serve", "--no-worker")
        for _ in range(workers):
            await cluster.add("work")
        yield cluster


async def _end(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await replica.kill()
