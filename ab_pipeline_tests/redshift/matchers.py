"""How a refusal recognises itself in a statement: each function here makes a matcher."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from sqlglot import TokenType, exp

from ab_pipeline_tests.redshift.functions import FUNCTIONS, LEADER_NODE_FUNCTIONS, WORDS
from ab_pipeline_tests.redshift.statement import Statement

Matcher = Callable[[Statement], bool]

_CATALOGUE = ("pg_catalog", "information_schema")
_FRAMED = (exp.Avg, exp.Count, exp.Max, exp.Min, exp.Sum, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance)
_FRAMED += (exp.VariancePop, exp.FirstValue, exp.LastValue, exp.NthValue)


def says(*phrases: str) -> Matcher:
    """Any of the phrases stands in it, word by word."""
    return lambda statement: any(f" {phrase.upper()} " in statement.text for phrase in phrases)


def starts_with(*phrases: str) -> Matcher:
    return lambda statement: any(statement.text.startswith(f" {phrase.upper()} ") for phrase in phrases)


def both(*matchers: Matcher) -> Matcher:
    return lambda statement: all(matches(statement) for matches in matchers)


def calls(*names: str) -> Matcher:
    return lambda statement: not called_functions(statement).isdisjoint(names)


def calls_what_the_manual_lacks(statement: Statement) -> bool:
    return bool(unknown_functions(statement))


def has_node(*kinds: type[exp.Expr], where: Callable[[exp.Expr], bool] = lambda _: True) -> Matcher:
    return lambda statement: (
        statement.tree is not None and any(where(node) for kind in kinds for node in statement.tree.find_all(kind))
    )


def has_type(*names: str) -> Matcher:
    """A column or a cast of any of these types."""
    sought = {name.upper() for name in names}

    def matches(statement: Statement) -> bool:
        tokens = statement.tokens
        return any(
            token.text.upper() in sought
            and token.token_type != TokenType.STRING
            and (token in statement.column_types or before.text == "::" or _ends_a_cast(statement, number))
            for number, (before, token) in enumerate(pairwise(tokens), start=1)
        )

    return matches


def _ends_a_cast(statement: Statement, number: int) -> bool:
    words = statement.words
    return words[number - 1] == "AS" and words[number + 1 : number + 2] in ([")"], ["("], ["["])


def has_name_longer_than(num_of_bytes: int) -> Matcher:
    names = {TokenType.VAR, TokenType.IDENTIFIER}
    return lambda statement: any(
        token.token_type in names and len(token.text.encode()) > num_of_bytes for token in statement.tokens
    )


def called_functions(statement: Statement) -> set[str]:
    """The names that stand before a parenthesis, but for those that the statement itself gives to something."""
    tokens = statement.tokens
    called: set[str] = set()
    for number, (token, after) in enumerate(pairwise(tokens)):
        before = tokens[number - 1].text.upper() if number else ""
        is_name = token.token_type not in (TokenType.STRING, TokenType.NUMBER) and token.text.isidentifier()
        if after.text == "(" and is_name and before not in ("TABLE", "INTO", "AS", "WITH", ".", "EXISTS", "COPY"):
            called.add(token.text.lower())
    defined = {cte.alias.lower() for cte in statement.tree.find_all(exp.CTE)} if statement.tree else set()
    return called - defined - WORDS


def unknown_functions(statement: Statement) -> set[str]:
    if statement.words[:1] and statement.words[0] in {"COPY", "CALL", "VACUUM", "ANALYZE", "UNLOAD", "GRANT"}:
        return set()
    return called_functions(statement) - FUNCTIONS - LEADER_NODE_FUNCTIONS


def is_on_both_nodes(statement: Statement) -> bool:
    """The catalogue is on the leader node, the tables are on the compute nodes."""
    return _reads_tables(statement) and (
        any(_is_catalogue(table) for table in _tables(statement))
        or not called_functions(statement).isdisjoint(LEADER_NODE_FUNCTIONS)
        or says("current_timestamp", "current_time", "localtimestamp", "localtime")(statement)
    )


def _tables(statement: Statement) -> list[exp.Table]:
    if statement.tree is None:
        return []
    named = {cte.alias for cte in statement.tree.find_all(exp.CTE)}
    return [
        table
        for table in statement.tree.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier) and (table.db or table.name not in named)
    ]


def _reads_tables(statement: Statement) -> bool:
    return any(not _is_catalogue(table) for table in _tables(statement))


def _is_catalogue(table: exp.Table) -> bool:
    return table.db.lower() in _CATALOGUE or (not table.db and table.name.lower().startswith("pg_"))


def orders_an_aggregate_without_a_frame(node: exp.Expr) -> bool:
    return isinstance(node.this, _FRAMED) and bool(node.args.get("order")) and not node.args.get("spec")


def sums_a_condition(node: exp.Expr) -> bool:
    summed = node.this.unnest() if isinstance(node.this, exp.Expr) else None
    is_cast = isinstance(summed, exp.Cast) and summed.to.this == exp.DataType.Type.BOOLEAN
    return is_cast or isinstance(summed, (exp.Predicate, exp.Connector, exp.Not, exp.Boolean))


def sorts_groups_in_several_orders(statement: Statement) -> bool:
    """LISTAGG, PERCENTILE_CONT and MEDIAN of one SELECT must agree."""
    if statement.tree is None:
        return False
    for select in statement.tree.find_all(exp.Select):
        orders = {
            group.expression.sql()
            for projection in select.expressions
            for group in projection.find_all(exp.WithinGroup)
        }
        orders |= {
            f"ORDER BY {median.this.sql()}"
            for projection in select.expressions
            for median in projection.find_all(exp.Median)
        }
        if len({order.removesuffix(" NULLS LAST") for order in orders}) > 1:
            return True
    return False
