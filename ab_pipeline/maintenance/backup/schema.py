"""Whether this Dagster knows the schema that a backup was made with."""

from __future__ import annotations

from importlib.metadata import version

from ab_pipeline.maintenance.backup.catalog import BackupError
from ab_pipeline.maintenance.backup.manifest import Manifest


def refuse_newer_schema(manifest: Manifest) -> None:
    """Raises BackupError: a newer Dagster made the backup."""
    unknown = {revision for revision in manifest.contents.revisions.values() if revision not in _known_revisions()}
    if unknown:
        raise BackupError(
            f"backup {manifest.name} has the schema of Dagster {manifest.versions['dagster']} (revision"
            f" {', '.join(sorted(unknown))}), which the installed {version('dagster')} does not know: upgrade first"
        )


def _known_revisions() -> set[str]:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION

    config = Config()
    config.set_main_option("script_location", ALEMBIC_SCRIPTS_LOCATION)
    config.set_main_option("path_separator", "os")
    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
