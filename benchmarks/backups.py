"""`python -m benchmarks.backups`: 30 backups while runs are written, 50 kills; bounded to some minutes."""

from __future__ import annotations

import logging
import random
import tempfile
from pathlib import Path

from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.settings import load_settings
from ab_pipeline_tests.maintenance.history import live_through, sqlite_instance
from ab_pipeline_tests.maintenance.torture import kill_a_backup, kill_a_restore, never_existed, restored, writer

BACKUPS, KILLS = 30, 50


def main() -> None:
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="ab-pipeline-bench-") as name:
        folder, settings = Path(name), load_settings()
        home, store = folder / "home", open_store(str(folder / "backups"))
        with sqlite_instance(home) as instance:
            live_through(instance, ["2025-01-01"])
        with writer(home):
            made = [back_up(settings, home, store, _silent) for _ in range(BACKUPS)]
        good = sum(never_existed(restored(store, manifest.name, folder)) == [] for manifest in made)
        print(f"backups while runs are written: {good} of {BACKUPS} restore to a state that existed", flush=True)

        dice = random.Random()
        states = {made[0].name: made[0].contents, made[-1].name: made[-1].contents}
        for kill in range(KILLS):
            if kill % 2:
                kill_a_backup(home, store, dice)
                back_up(settings, home, store, _silent)
            else:
                kill_a_restore(home, store, states, dice)
            for found in sorted(Path(store.location).iterdir())[BACKUPS:]:
                store.delete_folder(found.name)
        print(f"kill -9 during backups and restores: {KILLS} of {KILLS} lost nothing, the next run completed")


def _silent(line: str) -> None:
    pass


if __name__ == "__main__":
    main()
