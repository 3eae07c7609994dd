"""What is looked at without Dagster's metadata, and never by opening the warehouse."""

from __future__ import annotations

import datetime as dt
import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ab_pipeline.automation.schedules import NIGHTLY_BACKUP
from ab_pipeline.health.backup import BackupState
from ab_pipeline.health.certificate import anybodys, end_at, end_of_file, problem_of
from ab_pipeline.health.disk import Disk
from ab_pipeline.maintenance.backup.catalog import backups
from ab_pipeline.maintenance.object_store import ObjectMissingError, open_store
from ab_pipeline.readouts.pages import PROGRAMME
from ab_pipeline.settings import Settings
from ab_pipeline.watch.dagster_parts import is_running
from ab_pipeline.watch.metadata import Metadata
from ab_pipeline.watch.part import Sample, Seen

_SECONDS = 4


@dataclass(frozen=True)
class OtherParts:
    """Each method is a look."""

    metadata: Metadata
    settings: Settings
    web_url: str
    certificates: tuple[Path, ...] = ()

    def web(self) -> Seen:
        """Whether the web server answers."""
        try:
            # the end of its certificate is told of elsewhere
            with urllib.request.urlopen(f"{self.web_url.rstrip('/')}/healthz", timeout=_SECONDS, context=anybodys()):
                return Seen(f"{self.web_url} answers")
        except urllib.error.HTTPError as error:
            error.close()
            return Seen("", f"{self.web_url} answers with {error.code}")
        except urllib.error.URLError as error:
            return Seen("", f"{self.web_url} does not answer: {error.reason}")

    def warehouse(self) -> Seen:
        """Whether it is there: the file's entry, or a connection that logs in nowhere and so wakes no workgroup."""
        settings = self.settings
        if settings.target == "redshift":
            with socket.create_connection((settings.redshift_host or "", settings.redshift_port), _SECONDS):
                return Seen(f"{settings.place} takes connections")
        try:
            found = settings.duckdb_path.stat()
        except FileNotFoundError:
            return Seen("", f"there is no {settings.duckdb_path}")
        samples = [
            Sample("warehouse_bytes", found.st_size),
            Sample("warehouse_written_timestamp_seconds", found.st_mtime),
        ]
        return Seen(f"{settings.duckdb_path}, {found.st_size:,} bytes", None, samples)

    def backup(self) -> Seen:
        """Whether the newest one is young and one is verified, where the clock makes them."""
        location, now = self.settings.backup_location, dt.datetime.now(dt.UTC)
        state = BackupState.of(backups(open_store(location)))
        times = {"backup_timestamp_seconds": state.newest_at, "backup_verified_timestamp_seconds": state.verified_at}
        samples = [Sample(name, at.timestamp()) for name, at in times.items() if at]
        if not is_running(self.metadata, NIGHTLY_BACKUP):
            return Seen("the schedule nightly_backup is switched off", None, samples)
        return Seen(f"the newest is of {state.newest_at}", "; ".join(state.problems(location, now)) or None, samples)

    def disk(self) -> Seen:
        """Whether there is room."""
        folders = {self.metadata.home}
        if self.settings.target == "local":
            folders.add(self.settings.duckdb_path.parent)
        disks = [Disk.of(folder) for folder in sorted(folders)]
        problems = [disk.problem for disk in disks if disk.problem]
        samples = [Sample("disk_free_bytes", disk.free, {"folder": str(disk.folder)}) for disk in disks]
        free = ", ".join(f"{disk.free / 1e9:.0f} GB" for disk in disks)
        return Seen(f"{free} left", "; ".join(problems) or None, samples)

    def certificate(self) -> Seen:
        """Whether none is near its end."""
        now, ends = dt.datetime.now(dt.UTC), {str(path): end_of_file(path) for path in self.certificates}
        if urlsplit(self.web_url).scheme == "https":
            ends[self.web_url] = end_at(self.web_url)
        samples = [
            Sample("certificate_end_timestamp_seconds", end.timestamp(), {"of": what}) for what, end in ends.items()
        ]
        problems = [problem for what, end in ends.items() if (problem := problem_of(end, what, now))]
        return Seen(f"{len(ends)} certificates", "; ".join(problems) or None, samples)

    def experiments(self) -> Seen:
        """What the newest read-outs said, as runs have written it."""
        try:
            listed = json.loads(open_store(self.settings.pages_location).get_bytes(PROGRAMME))["experiments"]
        except ObjectMissingError:
            return Seen("no read-out is written yet")
        samples = []
        for one in listed:
            name = one["experiment_id"]
            if one["verdict"]:
                samples.append(Sample("verdict", 1, {"experiment": name, "verdict": one["verdict"]}))
            samples += [Sample("gate_failing", 1, {"experiment": name, "gate": gate}) for gate in one["failing_gates"]]
        return Seen(f"{len(listed)} experiments", None, samples)

    def storage(self) -> Seen:
        """How much Dagster and its runs keep."""
        from ab_pipeline.maintenance.cleanup.open import open_clean_up

        inventory = open_clean_up(self.metadata.instance, self.settings, lambda _line: None).measure()
        samples = [Sample("storage_bytes", store.bytes, {"what": store.name}) for store in inventory.stores]
        return Seen(f"{sum(store.bytes for store in inventory.stores):,} bytes", None, samples)
