"""`python -m ab_pipeline_tests.seeded_faults.mutants [--seed N] [--number N] [--under PATH]`: what goes unnoticed?

Changes are drawn over all modules, models and macros, one a file before any file has two: Python's by cosmic-ray's
operators, SQL's by ours. The tests that mirror the file run first, then the tier `quick`, for SQL the tests that build.
What survives is printed as a diff: it needs a test, or it changes nothing that anybody could see.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.seeded_faults.__main__ import Outcome, copied_tree, rewritten, run_tests
from ab_pipeline_tests.seeded_faults.sql_mutants import sql_mutants

# annotations (`X | None`) are not evaluated, equal enums and constants are the same, names with dots break the last
_SAYS_NOTHING = ("BitOr", "_Is", "ExceptionReplacer")
_BUILDS = (
    "integration/test_plain_dbt.py",
    "integration/test_windows.py",
    "integration/test_snapshots.py",
    "integration/test_raw_contract.py",
    "integration/test_invariant.py",
    "integration/test_experiment_invariant.py",
    "integration/test_both_targets.py",
)


@dataclass(frozen=True)
class Mutant:
    """A file of the project with one change."""

    file: Path
    """Below the project's root."""
    before: str
    after: str

    def __str__(self) -> str:
        """The change as a diff without context."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0)
        return "\n".join([str(self.file), *(f"  {line}" for line in list(lines)[2:])])


def changed_python(text: str, draw: random.Random) -> str | None:
    """The text with one change at a place that is drawn; nothing where no operator finds one."""
    nodes = list(ast_nodes(get_ast(text)))
    places: list[tuple[type[Operator], int]] = []
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if not kind.arguments() and not any(part in name for part in _SAYS_NOTHING):
            count = sum(len(list(kind().mutation_positions(node))) for node in nodes)
            places += [(kind, place) for place in range(count)]
    if not places:
        return None
    kind, place = draw.choice(places)
    return mutate_code(text, kind(), place)


def changed_sql(text: str, draw: random.Random) -> str | None:
    """The same for SQL and macros."""
    mutants = list(sql_mutants(text))
    return draw.choice(mutants) if mutants else None


def drawn(seed: int, number: int, under: str = "") -> list[Mutant]:
    """As many mutants as asked for, the same for the same seed and code: one a file before any file has two."""
    files = sorted(
        file.relative_to(PROJECT_ROOT)
        for folder, suffix in (("ab_pipeline", "py"), ("dbt_project/models", "sql"), ("dbt_project/macros", "sql"))
        for file in (PROJECT_ROOT / folder).rglob(f"*.{suffix}")
        if str(file.relative_to(PROJECT_ROOT)).startswith(under)
    )
    draw = random.Random(seed)
    draw.shuffle(files)
    mutants: list[Mutant] = []
    for file in files * (number // max(1, len(files)) + 2):
        if len(mutants) == number:
            break
        text = (PROJECT_ROOT / file).read_text()
        after = (changed_python if file.suffix == ".py" else changed_sql)(text, draw)
        if after and after != text and (file.suffix == ".sql" or _compiles(after)):
            mutants.append(Mutant(file, text, after))
    return mutants


def _compiles(text: str) -> bool:
    # a `*` among parameters is an operator to cosmic-ray
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def stages(file: Path) -> list[tuple[str, ...]]:
    """The arguments for pytest, one stage after the other, that are to notice a change of the file."""
    if file.suffix == ".sql":
        found = [f"ab_pipeline_tests/{test}" for test in _BUILDS]
        return [("-m", "not thorough", "-k", "not redshift", "-n", "2", *found)]
    parts = file.relative_to("ab_pipeline")
    mirror = Path("ab_pipeline_tests", *parts.parent.parts, f"test_{file.name}")
    near = [(str(mirror),)] if (PROJECT_ROOT / mirror).exists() else []
    return [*near, ("-n", "2", "-m", "not slow and not thorough", "--ignore", "ab_pipeline_tests/seeded_faults")]


def survives(tree: Path, mutant: Mutant) -> bool:
    """Whether no test of any stage fails."""
    with rewritten(tree / mutant.file, mutant.after):
        return all(run_tests(tree, *tests) == Outcome.PASSED for tests in stages(mutant.file))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ab_pipeline_tests.seeded_faults.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--under", default="", help="only of files whose path begins so")
    given = parser.parse_args(arguments)
    mutants = drawn(given.seed, given.number, given.under)
    alive = 0
    with copied_tree() as tree:
        for mutant in mutants:
            survived = survives(tree, mutant)
            alive += survived
            print(f"SURVIVED {mutant}" if survived else f"noticed  {mutant.file}", flush=True)
    print(f"{len(mutants) - alive} of {len(mutants)} noticed (seed {given.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
