"""Whether a statement is Snowflake's SQL: sqlfluff's grammar of it, and the functions it has.

The emulator takes much of what Snowflake doesn't; the grammar accepts functions of any name.
"""

import re
from functools import cache
from pathlib import Path

from sqlfluff.core import FluffConfig, Lexer, Parser

FUNCTIONS = frozenset(Path(__file__).with_name("snowflake_functions.txt").read_text().split())
"""Each looked up in Snowflake's reference when it was put there."""
OF_IBIS = ("ALTER SESSION SET MULTI_STATEMENT_COUNT", "SELECT SUM(CAST(")
"""What Ibis makes: the settings in a form that the grammar doesn't know, the counts so long that it
takes a second for each. Of both, only the functions are looked at."""


SYNTAX = {"decimal", "timestamp", "over", "in", "from", "and", "or", "not", "when", "then", "else"}
"""What stands before a bracket and calls nothing."""


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


def _foreign(functions: set[str]) -> list[str]:
    return [f"no function of Snowflake's: {one}" for one in sorted(functions - FUNCTIONS)]
