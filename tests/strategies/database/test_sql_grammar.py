"""What scripts do, read by PostgreSQL's grammar, where reading words and marks went wrong."""

from __future__ import annotations

import sys

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import ConfigurationError
from strategies.database.grammar import compatibility, losses, parse
from tests.contracts.store_postgres import PostgresServer
from tests.strategies.database.support import Shop, preflight

# What is lost


def lost(text: str) -> list[str]:
    return [
        f"{one.kind} {'.'.join((*one.name, one.column)).strip('.')}".strip()
        for one in losses(parse(text))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('DROP TABLE IF EXISTS a, s."B c", "d""e"', ["table a", "table s.B c", 'table d"e']),
        ("DROP/* to */TABLE\n-- the table\nAudit CASCADE", ["table audit"]),
        ("ALTER TABLE a * DROP b", ["column a.b"]),
        (
            "ALTER TABLE IF EXISTS ONLY a DROP b, DROP COLUMN IF EXISTS c",
            ["column a.b", "column a.c"],
        ),
        ("ALTER TABLE a ALTER b SET DATA TYPE int, ALTER c TYPE int", ["column a.b", "column a.c"]),
        ("TRUNCATE ONLY a, s.b RESTART IDENTITY", ["rows a", "rows s.b"]),
        ("TRUNCATE a CASCADE", ["rows a", "unknown"]),
        ("DELETE FROM ONLY s.a USING b WHERE true", ["rows s.a"]),
        ("UPDATE a AS b SET c = now()", ["rows a"]),
        ("WITH old AS (SELECT 1) DELETE FROM a", ["rows a"]),
        ("WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone", ["rows a"]),
        ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", ["rows a"]),
        ("CREATE TABLE b AS WITH gone AS (DELETE FROM a RETURNING *) TABLE gone", ["rows a"]),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1", ["rows a"]),
        ("MERGE INTO a USING b ON a.c = b.c WHEN MATCHED THEN DELETE", ["rows a"]),
    ],
)
def test_what_a_statement_takes_away_is_named_with_its_table(
    text: str, expected: list[str]
) -> None:
    assert lost(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- DROP TABLE a;\n/* DROP /* TABLE */ a; */ ;;",
        "ALTER TABLE a ALTER type SET DEFAULT 1",  # a column that is called type
        "ALTER TABLE a NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE a RENAME CONSTRAINT b TO c",
        "ALTER TABLE a DROP CONSTRAINT b, ADD d int, ALTER e DROP NOT NULL",
        "ALTER VIEW a RENAME COLUMN b TO c",
        "ALTER TYPE a ADD VALUE 'b'",
        "DROP VIEW a; DROP INDEX b; DROP TYPE c; DROP OPERATOR CLASS d USING btree",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = s AS 'DELETE FROM a'",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM a; SELECT 1; END",
        "CREATE RULE r AS ON INSERT TO a DO ALSO DELETE FROM b",
        "COMMENT ON TABLE a IS 'DROP TABLE a; -- '; ANALYZE a; LOCK a; GRANT SELECT ON a TO b",
        "INSERT INTO a SELECT lower(b), now(), pg_catalog.upper(c) FROM d ON CONFLICT DO NOTHING",
        "INSERT INTO a VALUES ($$; DROP TABLE a; $$, $b$ $$ ; $b$, E'\\'; DROP TABLE a; --')",
        "MERGE INTO a USING b ON a.c = b.c WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "SET ROLE shop_owner; SET LOCAL lock_timeout = 1; RESET lock_timeout",
    ],
)
def test_what_takes_nothing_away_loses_nothing(text: str) -> None:
    assert lost(text) == []
    assert parse(text).problem == ""


@pytest.mark.parametrize(
    "text",
    [
        "DO $$ BEGIN DELETE FROM a; END $$",
        "CALL tidy()",
        "SELECT tidy()",
        "SELECT set_config('search_path', 's', false)",
        "INSERT INTO a SELECT tidy()",
        "INSERT INTO a SELECT shop.lower(b) FROM a",
        "CREATE TABLE a AS SELECT tidy()",
        "PREPARE tidy AS DELETE FROM a",
        "EXECUTE tidy",
        "EXPLAIN ANALYZE DELETE FROM a",
        "SET search_path = s",
        "SET SCHEMA 's'",
        "RESET search_path",
        "ALTER ROLE shop SET search_path = s",
        "ALTER TABLE a SET SCHEMA s",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE a RENAME b TO c",
        "ALTER TABLE a DETACH PARTITION b",
        "ALTER TABLE a NO INHERIT b",
        "ALTER TYPE a RENAME ATTRIBUTE b TO c",
        "DROP TYPE a CASCADE",
        "DROP SCHEMA s",
        "DROP FOREIGN TABLE a",
        "DROP OWNED BY shop",
        "DROP EXTENSION hstore",
        "COPY a FROM PROGRAM 'rm -rf /'",
        "REFRESH MATERIALIZED VIEW a",
    ],
)
def test_what_a_statement_does_out_of_sight_is_unknown(text: str) -> None:
    assert lost(text) == ["unknown"]


def test_people_are_shown_neither_strings_nor_comments_nor_quoted_names() -> None:
    text = (
        "/* a */ ALTER EXTENSION \"b\" -- c\n  UPDATE TO $d$ e' $d$; SELECT f('g', E'\\'h', U&'i')"
    )
    assert [
        one.words for one in parse("SELECT 'ä';" + text.replace("$d$ e' $d$", "'1'")).statements
    ] == [
        "SELECT",
        "ALTER EXTENSION UPDATE TO",
        "SELECT F( , , )",
    ]
    assert parse("DO $d$ it's a secret $d$").statements[0].words == "DO"


# What cannot be read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("DROP TABLE a;\nDROP TABEL b;\n", "syntax error in line 2"),
        ("DROP TABLE a; \\i b.sql", "commands of psql"),
        ("\\set owner shop\nDROP TABLE a;", "commands of psql"),
        ("COPY a FROM STDIN;\n1\t2\n\\.\n", "copies from standard input"),
        ("ALTER ROLE a PASSWORD :secret", "syntax error in line 1"),
        ("DROP TABLE a; SELECT $b$ open", "does not end"),
        ("DROP TABLE a; /* open /* */", "does not end"),
        ('DROP TABLE "a', "does not end"),
        ("SELECT 1;\0 DROP TABLE a", "zero byte"),
        ("DROP TABLE a; -- \udcff", "no text"),
        ("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "cannot be read"),
        ("SELECT 1" + "+1" * 70_000, "too deeply nested"),
    ],
)
def test_what_cannot_be_read_is_neither_harmless_nor_run(text: str, why: str) -> None:
    script = parse(text)
    assert why in script.problem
    assert not script.empty
    assert lost(text)[-1] == "unknown"
    assert compatibility(text).compatible is not True
    assert "secret" not in script.problem


def test_beside_what_cannot_be_read_the_rest_is_judged() -> None:
    text = "Loading models …\nit's ready;\nDROP TABLE a;\n\nALTER TABLE b DROP c;\n"
    assert lost(text.replace("it's", "it is")) == ["table a", "column b.c", "unknown"]
    assert compatibility("\\echo hello\nSELECT 1;\nALTER TABLE b DROP c;\n").compatible is False


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="aDROPTBLE ;'\"$\\/*-\n\0(", max_size=40))
def test_no_text_hides_what_follows_it(text: str) -> None:
    script = parse(f"{text}\nDROP TABLE t;")
    assert script.problem or "t" in [one.table for one in losses(script) if one.kind == "table"]


async def test_a_down_script_that_cannot_be_read_blocks_the_plan(shop: Shop) -> None:
    shop.write("0042_add_oauth_tokens.down.sql", "DROP TABLE oauth_tokens;\nDROP TABEL users;")
    sentence = preflight(await shop.plan(), "Down scripts").sentence
    assert "cannot be read by PostgreSQL's grammar: syntax error in line 2" in sentence


def test_without_the_grammar_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pgparse", None)
    with pytest.raises(ConfigurationError, match=r"rollback-bot\[postgres\]"):
        parse("DROP TABLE a")


# What does not fit into one transaction

OUTSIDE = [
    "VACUUM",
    "VACUUM (ANALYZE) pg_class",
    "CREATE INDEX CONCURRENTLY ON users (email)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON users (email)",
    "DROP INDEX CONCURRENTLY IF EXISTS users_pkey",
    "REINDEX TABLE CONCURRENTLY users",
    "REINDEX (CONCURRENTLY) INDEX users_pkey",
    "REINDEX SCHEMA public",
    "REINDEX SYSTEM shop_template",
    "REINDEX DATABASE shop_template",
    "ALTER SYSTEM SET work_mem = '4MB'",
    "CREATE DATABASE other",
    "DROP DATABASE other",
    "DROP TABLESPACE other",
    "CLUSTER",
    "DISCARD ALL",
    "ALTER DATABASE shop_template SET TABLESPACE pg_default",
]
INSIDE = [
    "ANALYZE",
    "CREATE INDEX ON users (email)",
    "REINDEX TABLE users",
    "REINDEX (TABLESPACE pg_default) TABLE users",
    "CLUSTER users USING users_pkey",
    "DISCARD PLANS",
    "ALTER DATABASE shop_template SET work_mem = '4MB'",
    "PREPARE one AS SELECT 1",
    'CREATE TABLE vacuum ("concurrently" int)',
    "DO $$ BEGIN PERFORM 'COMMIT; VACUUM'; END $$",
]


@pytest.mark.parametrize("text", [*OUTSIDE, *INSIDE])
def test_the_server_agrees_on_what_does_not_run_in_a_transaction(
    server: PostgresServer, text: str
) -> None:
    said = parse(text).problem
    connection = psycopg.connect(host=str(server.home), user="postgres", dbname="shop_template")
    with connection:
        refused = False
        try:
            connection.execute(text.encode())
        except psycopg.errors.ActiveSqlTransaction:
            refused = True
        connection.rollback()
    connection.close()
    assert refused == ("does not run inside of a transaction" in said) == (text in OUTSIDE)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("begin isolation level serializable", "BEGIN"),
        ("START TRANSACTION", "START"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("end", "END"),
        ("ROLLBACK TO a", "ROLLBACK"),
        ("SAVEPOINT a", "SAVEPOINT"),
        ("RELEASE a", "RELEASE"),
        ("PREPARE TRANSACTION 'a'", "PREPARE"),
    ],
)
def test_a_script_that_ends_or_begins_transactions_does_not_run(text: str, word: str) -> None:
    assert parse(f"DROP TABLE a; /* b */ {text};").problem == (
        f"it ends or begins transactions by itself ({word})"
    )


def test_data_in_the_script_are_no_statement() -> None:
    assert "standard input" in parse("COPY a FROM STDIN").problem
    assert parse("COPY a TO STDOUT; COPY a FROM '/srv/a.csv'").problem == ""


# Can the old application go on?


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A table of the same schema is not the table that was created.
        ("CREATE TABLE s.a (b int); ALTER TABLE s.c DROP d", False),
        ("CREATE TABLE s.a (b int); ALTER TABLE s.a DROP b, ADD c int NOT NULL", True),
        ("CREATE TABLE a AS SELECT 1 AS b; CREATE UNIQUE INDEX ON a (b)", True),
        ("CREATE TABLE b (c int); CREATE UNIQUE INDEX ON a (b)", False),
        # Columns that are called as SQL's own words.
        ("ALTER TABLE a ADD type text, ADD rename text, ADD detach text", True),
        ("ALTER TABLE a ALTER type SET DEFAULT 1", True),
        # One column's default fills no other column.
        ("ALTER TABLE a ADD b int NOT NULL, ADD c int DEFAULT 1", False),
        ("ALTER TABLE a ADD b int NOT NULL DEFAULT 1", True),
        ("ALTER TABLE a ADD b int NOT NULL GENERATED ALWAYS AS (c + 1) STORED", True),
        ("ALTER TABLE a ADD b int NOT NULL GENERATED BY DEFAULT AS IDENTITY", True),
        ("ALTER TABLE a ADD b bigserial NOT NULL", True),
        ("ALTER TABLE a ADD b uuid PRIMARY KEY", False),
        ("ALTER TABLE a ADD b int UNIQUE", None),
        ("ALTER TABLE a ADD b int REFERENCES c", None),
        ("ALTER TABLE a ADD b text CHECK (b <> 'NOT NULL')", None),
        ("ALTER TABLE a ENABLE ROW LEVEL SECURITY", None),
        ("ALTER TABLE a ENABLE TRIGGER b, ALTER c DROP NOT NULL, DROP CONSTRAINT d", True),
        ("ALTER TABLE a ADD CHECK (b > 0)", False),
        ("ALTER TABLE a ALTER b SET NOT NULL", False),
        ("ALTER TABLE a RENAME b TO c", False),
        ("ALTER TABLE a SET SCHEMA s", False),
        ("ALTER TABLE a ALTER b TYPE int", False),
        ("CREATE TABLE old AS WITH gone AS (DELETE FROM a RETURNING *) TABLE gone", False),
        ("WITH gone AS (SELECT 1) UPDATE a SET b = 1", False),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1", True),
        ("REVOKE SELECT ON a FROM b", False),
        ("GRANT SELECT ON a TO b; DROP INDEX c; DROP TRIGGER d ON a", True),
        ("DROP VIEW a", False),
        ("SELECT tidy()", None),
        ("DO $$ BEGIN END $$", None),
        ("-- nothing", True),
    ],
)
def test_an_up_script_is_judged_by_what_it_does_and_not_by_its_words(
    text: str, expected: bool | None
) -> None:
    assert compatibility(text).compatible is expected
