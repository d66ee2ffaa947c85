"""Whether a statement is Snowflake's SQL: sqlfluff's grammar of it, and the functions it has.

The emulator takes much of what Snowflake doesn't; the grammar accepts functions of any name.
"""

import re
from functools import cache
from pathlib import Path

from fakesnow.dialect import parse_one
from sqlfluff.core import FluffConfig, Lexer, Parser
from sqlglot import exp

FUNCTIONS = frozenset(Path(__file__).with_name("snowflake_functions.txt").read_text().split())
"""Each looked up in Snowflake's reference when it was put there."""
OF_IBIS = ("ALTER SESSION SET MULTI_STATEMENT_COUNT", "SELECT SUM(CAST(")
"""What Ibis makes: the settings in a form that the grammar doesn't know, the counts so long that it
takes a second for each. Of both, only the functions are looked at."""


SYNTAX = {"decimal", "timestamp", "over", "in", "from", "and", "or", "not", "when", "then", "else"}
"""What stands before a bracket and calls nothing."""


RESERVED_WORDS = """
    all alter and any as between by case cast check column connect constraint create cross
    current current_date current_time current_timestamp current_user delete distinct drop else
    exists false following for from full grant group having ilike in increment inner insert
    intersect into is join lateral left like localtime localtimestamp minus natural not null of on
    or order qualify regexp revoke right rlike row rows sample select set some start table
    tablesample then to trigger true try_cast union unique update using values when whenever where
    with
"""
"""What names nothing without quotes, as Snowflake's reference lists it."""
RESERVED = frozenset(RESERVED_WORDS.split())
FIT = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


def unfit(name: str) -> bool:
    """Whether a name can't stand without quotes."""
    return not FIT.fullmatch(name) or name.lower() in RESERVED


def unfit_names(statement: str) -> list[str]:
    """Names of a statement that can't stand without quotes, and do."""
    tree = parse_one(statement)
    names = (one for one in tree.find_all(exp.Identifier) if not one.args.get("quoted"))
    return [one.name for one in names if one.name and unfit(one.name)]


@cache
def _parts() -> tuple[Lexer, Parser]:
    config = FluffConfig(overrides={"dialect": "snowflake"})
    return Lexer(config=config), Parser(config=config)


def faults(statement: str) -> list[str]:
    """What isn't Snowflake's in a statement."""
    if statement.startswith(OF_IBIS):
        called = set(re.findall(r"\b([a-z_0-9]+)\(", statement.lower()))
        return _foreign(called - SYNTAX)
    lexer, parser = _parts()
    # The grammar knows no placeholders.
    tokens, _ = lexer.lex(statement.replace("?", "1") + "\n")
    tree = parser.parse(tokens)
    if tree is None:
        return [f"can't be parsed: {statement[:200]}"]
    unparsed = [f"not understood: {one.raw[:200]}" for one in tree.recursive_crawl("unparsable")]
    names = {one.raw.lower() for one in tree.recursive_crawl("function_name")}
    return unparsed + _foreign(names)


def told(statements: list[str]) -> list[str]:
    """Every statement once, without dbt's comment.

    dbt wraps the same query twice more, to ask for its columns and to put its rows aside.
    """
    bare = {re.sub(r"/\*.*?\*/", "", one, flags=re.DOTALL).strip() for one in statements}
    wrapped = re.compile(
        r"create or replace temporary table|select \* from \(.*limit 0$", re.DOTALL
    )
    return sorted(one for one in bare if not wrapped.match(one))


def _foreign(functions: set[str]) -> list[str]:
    return [f"no function of Snowflake's: {one}" for one in sorted(functions - FUNCTIONS)]
