"""The daemon, what it starts by the clock, and what listens to the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ab_pipeline.automation.raw_changes import RAW_CHANGES
from ab_pipeline.automation.schedules import CLEANUP, NIGHTLY_BACKUP
from ab_pipeline.doctor.finding import Finding, fail, ok, warn
from ab_pipeline.doctor.setup import Setup
from ab_pipeline.health.daemon import beats_of
from ab_pipeline.health.heartbeats import silent
from ab_pipeline.health.ticks import last_words, newest_tick
from ab_pipeline.maintenance.running import home_of

_START = "start it: `ab-pipeline daemon`, or `ab-pipeline dev` on one's own machine"


@dataclass(frozen=True)
class Port:
    """Where a process listens."""

    address: str
    port: int
    command: str

    @property
    def is_open(self) -> bool:
        """Whether others than this machine reach it."""
        found = ipaddress.ip_address(self.address)
        # gRPC shows 127.0.0.1 as ::ffff:127.0.0.1
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return not (mapped or found).is_loopback


def daemon(setup: Setup) -> Iterator[Finding]:
    """Whether each of its kinds beats."""
    make = fail if setup.is_production else warn
    if setup.unusable == "":
        yield make("Dagster's daemon has never run: nothing is refreshed", _START)
        return
    beats, required = beats_of(setup.instance)
    if not beats:
        yield make("Dagster's daemon has never run: nothing is refreshed", _START)
    elif quiet := silent(beats, required, setup.now.timestamp()):
        newest = max(beat.at for beat in beats)
        if len(quiet) == len(required):
            minutes = (setup.now.timestamp() - newest) / 60
            yield make(f"Dagster's daemon has been silent for {minutes:.0f} minutes: nothing is refreshed", _START)
        else:
            yield make(f"of Dagster's daemon these hang: {', '.join(quiet)}", "start it again, and look at its log")
    for beat in beats:
        for error in beat.errors[:1]:
            yield warn(f"{beat.kind} of Dagster's daemon failed: {error}", "look at its log")
    yield ok(f"{len(beats)} kinds of Dagster's daemon looked at")


def schedules(setup: Setup) -> Iterator[Finding]:
    """What somebody has switched off, and what fails."""
    from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

    instance = setup.instance
    for state in instance.all_instigator_state():
        name, kind = state.instigator_name, state.instigator_type.value.lower()
        if state.status == InstigatorStatus.STOPPED:
            needed = {
                RAW_CHANGES: "changed rows are not noticed",
                CLEANUP: "what Dagster keeps grows until the disk is full",
            }
            if setup.is_clocked:
                needed[NIGHTLY_BACKUP] = "no backup is made"
            why = needed.get(name)
            make = fail if why and setup.is_production else warn
            yield make(f"{kind} {name} is switched off{f': {why}' if why else ''}", "switch it on in Dagster's UI")
            continue
        newest = newest_tick(instance, state)
        if newest and newest.status == TickStatus.FAILURE:
            make = fail if name == RAW_CHANGES else warn
            yield make(
                f"the newest tick of {kind} {name} failed: {last_words(newest)}", "its page in Dagster's UI has it all"
            )
    yield ok("sensors and schedules looked at")


def exposed(setup: Setup) -> Iterator[Finding]:
    """What others reach over the network."""
    ports = listening(setup.home)
    yield from judged(ports, is_encrypted=bool(setup.settings and setup.settings.dagster_url.startswith("https:")))
    yield ok(f"{len(ports)} ports of this installation looked at")


def judged(ports: Iterable[Port], *, is_encrypted: bool) -> Iterator[Finding]:
    """What is wrong with those that are open."""
    for one in ports:
        if not one.is_open:
            continue
        where = f"{one.address}:{one.port}"
        if "serve" in one.command.split() and "ab-pipeline" in one.command:
            if not is_encrypted:
                yield fail(f"the login on {where} takes passwords in clear text", "give --tls-cert and --tls-key")
        elif "api grpc" in one.command or "code-server" in one.command:
            yield warn(
                f"the code server listens on {where} and does what anybody tells it",
                "have it listen on 127.0.0.1, or let nobody else into its network",
            )
        elif "watch" in one.command.split():
            yield warn(f"health and metrics on {where} are open to all", "let only Prometheus and balancers in")
        elif "webserver" in one.command or "dev" in one.command.split():
            yield fail(
                f"Dagster on {where} has no login: whoever reaches it runs what they like",
                "`ab-pipeline serve` has one; have Dagster's own listen on 127.0.0.1",
            )


def listening(home: Path) -> list[Port]:
    """Where processes of Dagster and of ours listen that work on this DAGSTER_HOME."""
    found, commands = [], {}
    for one in psutil.net_connections("tcp"):
        if one.status != psutil.CONN_LISTEN or one.pid is None or not one.laddr:
            continue
        if one.pid not in commands:
            commands[one.pid] = _command(one.pid, home)
        if command := commands[one.pid]:
            found.append(Port(one.laddr.ip, one.laddr.port, command))
    return found


def _command(pid: int, home: Path) -> str | None:
    """Its command line, if it is one of this installation."""
    try:
        process = psutil.Process(pid)
        command = " ".join(process.cmdline())
        if "dagster" not in command and "ab-pipeline" not in command:
            return None
        used = home_of(process)
    except (psutil.Error, OSError):
        return None
    return command if used in (None, home) else None
