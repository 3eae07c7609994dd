"""The read-out as assets: after each refresh, the looks whose sums were built again, and their pages."""

import base64
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MarkdownMetadataValue,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset,
)

from ab_pipeline.assets.dbt import WAREHOUSE_POOL
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.result import Readout, Status
from ab_pipeline.experiments.words import GATES, STATUSES
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse

RESULTS, REPORT = AssetKey("experiment_results"), AssetKey("experiment_report")
_READ = (
    "experiment_statistics",
    "experiment_assignments",
    "experiment_distribution",
    "metrics",
)
# nothing is wrong with the data, of which dbt's test every_variant_is_declared warns as well
_ONLY_WARNING = {"declared"}
_SEVERITY = {Status.FAIL: AssetCheckSeverity.ERROR, Status.WARN: AssetCheckSeverity.WARN}
_OWNERS = ["team:experimentation"]
_GROUP = "experiments"


def readout_assets(
    settings: Settings, warehouse: Warehouse, seeds: Path, manifest: Path | None = None
) -> AssetsDefinition:
    """Results and verdicts as tables, and the pages, in one step: what is read once serves both.

    With a manifest, dbt's documentation lies beside the pages.
    """
    kinds = {"python", "duckdb" if settings.target == "local" else "redshift"}

    @multi_asset(
        name="readouts",
        specs=[
            AssetSpec(
                RESULTS,
                deps=[AssetKey(name) for name in _READ],
                description=(
                    "Every look at every experiment: a row per experiment, metric, variant, segment, as-of day and"
                    " method, with its verdict in experiment_verdicts."
                ),
                group_name=_GROUP,
                owners=_OWNERS,
                kinds=kinds,
                metadata={"dagster/column_schema": _column_schema()},
            ),
            AssetSpec(
                REPORT,
                deps=[RESULTS],
                description=f"A page an experiment, and their index, in {settings.pages_location}.",
                group_name=_GROUP,
                owners=_OWNERS,
                kinds={"python", "html"},
            ),
        ],
        check_specs=[
            AssetCheckSpec(
                gate,
                asset=RESULTS,
                description=f"{title}: the newest look at every experiment.",
            )
            for gate, title in GATES.items()
        ],
        # a range of days is one run: of the newest looks there is one, however many days were built
        backfill_policy=BackfillPolicy.single_run(),
        pool=WAREHOUSE_POOL,
    )
    def readouts(context: AssetExecutionContext) -> Iterator[MaterializeResult | AssetCheckResult]:
        from ab_pipeline.experiments.registry import read_registry
        from ab_pipeline.maintenance.object_store import open_store
        from ab_pipeline.readouts.documentation import write_documentation
        from ab_pipeline.readouts.evaluate import evaluate_due
        from ab_pipeline.readouts.pages import entries_of, page_url, report_of, write_programme
        from ab_pipeline.readouts.store import verdict_history
        from ab_pipeline.readouts.unread import why_unread

        registry = read_registry(seeds)
        with warehouse.open(read_only=False) as session:
            refreshed = evaluate_due(session, registry, dt.datetime.now(dt.UTC), compared_days=settings.compared_days)
            history = verdict_history(session)
            unread = why_unread(session, registry, [one.experiment.experiment_id for one in refreshed.newest])
        for one in refreshed.newest:
            if one.experiment.is_inferred:
                names = ", ".join(variant.variant_id for variant in one.experiment.variants)
                context.log.warning(
                    f"no experiment declares {names}: they are read out as one, {one.experiment.name!r}"
                )
        readouts = [one.readout for one in refreshed.newest]
        yield MaterializeResult(
            asset_key=RESULTS,
            metadata={"looks": refreshed.looks, "verdicts": _verdicts(readouts, settings.dagster_url)},
        )
        for gate in GATES:
            yield gate_check(gate, readouts)
        reports = [report_of(one) for one in refreshed.newest]
        store = open_store(settings.pages_location)
        names = write_programme(entries_of(registry, reports, history, unread), store)
        if manifest:
            write_documentation(manifest, store)
        yield MaterializeResult(
            asset_key=REPORT,
            metadata={
                "programme": MetadataValue.url(page_url(settings.dagster_url)),
                "index": MetadataValue.path(f"{settings.pages_location}/index.html"),
                "pages": len(names),
                **{report.experiment.experiment_id: _picture(report, settings.dagster_url) for report in reports},
            },
        )

    return readouts


def gate_check(gate: str, readouts: Sequence[Readout]) -> AssetCheckResult:
    """How a gate stands in the newest look of every experiment; the worst decides."""
    found = [(readout.experiment_id, one) for readout in readouts for one in readout.gates if one.name == gate]
    wrong = [(name, one) for name, one in found if one.status in _SEVERITY]
    is_error = any(one.status == Status.FAIL for _, one in wrong) and gate not in _ONLY_WARNING
    return AssetCheckResult(
        asset_key=RESULTS,
        check_name=gate,
        passed=not wrong,
        severity=AssetCheckSeverity.ERROR if is_error else AssetCheckSeverity.WARN,
        description="; ".join(f"{name}: {one.detail}" for name, one in wrong) or "no experiment fails it",
        metadata={name: f"{STATUSES[one.status]}: {one.detail}" for name, one in found},
    )


def _verdicts(readouts: Sequence[Readout], dagster_url: str) -> MetadataValue:
    from ab_pipeline.readouts.pages import page_url

    return MetadataValue.table(
        [
            TableRecord(
                {
                    "experiment": readout.experiment_id,
                    "as of": str(readout.as_of),
                    "verdict": str(readout.verdict),
                    "reason": readout.reasons[0] if readout.reasons else "",
                    "page": page_url(dagster_url, readout.experiment_id),
                }
            )
            for readout in readouts
        ],
        TableSchema([TableColumn(name) for name in ("experiment", "as of", "verdict", "reason", "page")]),
    )


def _picture(report: Report, dagster_url: str) -> MarkdownMetadataValue:
    from ab_pipeline.experiments.report.pictures import pictures
    from ab_pipeline.experiments.report.svg import png
    from ab_pipeline.readouts.pages import page_url

    drawn = "\n\n".join(
        f"![{name}](data:image/png;base64,{base64.b64encode(png(drawing, scale=1.0)).decode()})"
        for name, drawing in list(pictures(report).items())[:1]
    )
    link = page_url(dagster_url, report.experiment.experiment_id)
    return MetadataValue.md(f"**[{report.headline}]({link})**\n\n{drawn}")


def _column_schema() -> TableSchema:
    from ab_pipeline.readouts.store import RESULT_COLUMNS

    return TableSchema([TableColumn(name, kind, text) for name, (kind, text) in RESULT_COLUMNS.items()])
