"""SQL scripts, read by PostgreSQL's own grammar (docs/decisions/026).

What the grammar cannot read is said to be unread: whoever judges a script must not take it for
harmless.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from bot.core.errors import ConfigurationError
from bot.core.values import Value
from strategies.database.client import identifier

Tree = dict[str, Any]
"""A node of the parse tree: its fields by the names that PostgreSQL's parsenodes.h gives them."""

_UNSHOWN = re.compile(
    r"[eE]'(?:[^'\\]|\\.|'')*'|(?:[nNbBxX]|[uU]&)?'(?:[^']|'')*'|(?:[uU]&)?\"(?:[^\"]|\"\")*\""
    r"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
_END_OF_STATEMENT = re.compile(r"(?<=;)[ \t]*\n")
_OPEN = "a string, comment or quoted name in it does not end"
_PSQL = "it holds commands of psql (a backslash outside of a string)"
_OUTSIDE = frozenset(
    {"AlterSystemStmt", "CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt"}
)
_REINDEXED = frozenset(f"REINDEX_OBJECT_{what}" for what in ("SCHEMA", "SYSTEM", "DATABASE"))
_OPTIONS = frozenset({("ReindexStmt", "concurrently"), ("AlterDatabaseStmt", "tablespace")})
_STACK_PER_BYTE = 128
"""Bytes of stack for a byte of text: what the deepest tree that it could make takes."""


class Statement(Value):
    """One statement."""

    kind: str
    """As PostgreSQL calls it: ``DropStmt``."""
    tree: Tree
    source: str

    @property
    def words(self) -> str:
        """For people: in capitals, without comments, strings and quoted names."""
        return " ".join(_UNSHOWN.sub(" ", self.source).split()).upper()

    def nodes(self) -> Iterator[tuple[str, Tree]]:
        """Every node with its kind or field, itself first; without recursion, for deep trees."""
        waiting: list[Any] = [{self.kind: self.tree}]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                yield from ((kind, node) for kind, node in value.items() if isinstance(node, dict))
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)


class Script(Value):
    """A script's statements; with a problem it cannot run as one transaction."""

    statements: tuple[Statement, ...]
    """Where the grammar cannot read the whole, those that can be read by themselves."""
    unread: str = ""
    """Why the grammar cannot read the whole."""
    barred: str = ""
    """Why it cannot run as one transaction, as far as that can be read."""

    @property
    def problem(self) -> str:
        """Why it must not run."""
        return self.barred or self.unread

    @property
    def empty(self) -> bool:
        """Nothing but comments and space."""
        return not self.statements and not self.problem


class _UnreadError(Exception):
    """The grammar cannot read it. Without words of the script, which may be secret."""


def parse(text: str) -> Script:
    """Read a script. Raises ConfigurationError where the grammar is not installed."""
    try:
        statements = tuple(_statements(text))
    except _UnreadError as error:
        why = str(error)
        statements = tuple(one for piece in _END_OF_STATEMENT.split(text) for one in _some(piece))
        barred = why if why in {_OPEN, _PSQL} else _barred(statements)
        return Script(statements=statements, unread=why, barred=barred)
    return Script(statements=statements, barred=_barred(statements))


def table_name(relation: Tree) -> tuple[str, ...]:
    """With its schema where one is written."""
    parts = (relation.get(part) for part in ("catalogname", "schemaname", "relname"))
    return tuple(filter(None, parts))


def _some(text: str) -> list[Statement]:
    try:
        return _statements(text)
    except _UnreadError:
        return []


def _statements(text: str) -> list[Statement]:
    found = []
    encoded = text.encode(errors="replace")
    for raw in _trees(text):
        [(kind, tree)] = raw["stmt"].items()
        # Places and lengths are counted in bytes; the last one goes to the end.
        source = encoded[raw.get("stmt_location", 0) :][: raw.get("stmt_len")]
        found.append(Statement(kind=kind, tree=tree, source=source.decode()))
    return found


def _trees(text: str) -> list[Tree]:
    try:
        import pgparse  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ConfigurationError(
            "Migrations are judged by PostgreSQL's grammar, which is not installed.",
            "Install the extra: pip install 'rollback-bot[postgres]'.",
        ) from error
    if "\0" in text:  # the library would take it for the end
        raise _UnreadError("it holds a zero byte")
    before = threading.stack_size()
    try:
        # It writes the tree down by recursion: on a usual stack a chain of 60,000 additions would
        # end the process.
        threading.stack_size((len(text) * _STACK_PER_BYTE // 4096 + 256) * 4096)
        with ThreadPoolExecutor(1) as reader:
            trees: list[Tree] = reader.submit(pgparse.parse, text).result()
    except pgparse.PGQueryError as error:
        raise _unread(error, text) from error
    except (RuntimeError, ValueError, OverflowError) as error:
        raise _UnreadError("it cannot be read: it is too deeply nested, or no text") from error
    finally:
        threading.stack_size(before)
    return trees


def _unread(error: Any, text: str) -> _UnreadError:
    what, _, where = str(error.message).partition(" at or near ")
    if what.startswith("unterminated"):
        return _UnreadError(_OPEN)
    if where == '"\\"':
        return _UnreadError(_PSQL)
    line = text.count("\n", 0, max(0, error.position - 1)) + 1
    return _UnreadError(f"it cannot be read by PostgreSQL's grammar: {what} in line {line}")


def _barred(statements: tuple[Statement, ...]) -> str:
    for statement in statements:
        kind, tree = statement.kind, statement.tree
        if kind == "TransactionStmt":
            word = statement.words.partition(" ")[0]
            return f"it ends or begins transactions by itself ({word})"
        if kind == "CopyStmt" and "is_from" in tree and "filename" not in tree:
            return "it copies from standard input"
        if _outside(statement):
            return "it holds a statement that PostgreSQL does not run inside of a transaction"
    return ""


def _outside(statement: Statement) -> bool:
    """What PostgreSQL's source calls PreventInTransactionBlock for."""
    kind, tree = statement.kind, statement.tree
    return (
        kind in _OUTSIDE
        or (kind == "VacuumStmt" and "is_vacuumcmd" in tree)  # else it is ANALYZE
        or (kind == "ClusterStmt" and "relation" not in tree)
        or tree.get("target") == "DISCARD_ALL"
        or tree.get("kind") in _REINDEXED
        or (
            kind in {"IndexStmt", "DropStmt", "AlterTableStmt", "ReindexStmt", "AlterDatabaseStmt"}
            and any(
                "concurrent" in node or (kind, node.get("defname")) in _OPTIONS
                for _, node in statement.nodes()
            )
        )
    )


# What a down script would destroy, read from its parse tree.
#
# Conservative: whatever is not known to be harmless is named as unknown.

_DROPPED_ALONE = frozenset(
    f"OBJECT_{kind}"
    for kind in (
        *("INDEX", "VIEW", "MATVIEW", "SEQUENCE", "TYPE", "DOMAIN", "CAST", "COLLATION"),
        *("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TRIGGER", "RULE", "POLICY"),
        *("OPERATOR", "OPCLASS", "OPFAMILY", "STATISTIC_EXT"),
    )
)
"""Without CASCADE their removal takes no stored values along."""
_ALTERED_ALONE = _DROPPED_ALONE | frozenset(
    {"OBJECT_ROLE", "OBJECT_DATABASE", "OBJECT_TABCONSTRAINT", "OBJECT_DOMCONSTRAINT"}
)
"""Changing them changes no stored value, and no table's name."""
_HARMLESS = re.compile(
    r"Create\w+|(Index|View|Rule|Define|CompositeType|Comment|Grant|GrantRole|Lock|ConstraintsSet"
    r"|VariableSet|Vacuum"
    r"|Alter(Owner|Function|Seq|Domain|Enum|Policy|Operator|OpFamily|Type|Stats|Collation|Role"
    r"|RoleSet|Database|DatabaseSet|DatabaseRefreshColl|DefaultPrivileges|UserMapping"
    r"|ObjectDepends))Stmt"
)
"""Kinds of statements. VACUUM itself does not run in a transaction; ANALYZE is of its kind."""
_QUERIES = frozenset(
    {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CreateTableAsStmt"}
)
_RELATED = ("AT_AttachPartition", "AT_DetachPartition", "AT_AddInherit", "AT_DropInherit")
"""How changes begin after which a table's name means other rows."""
_KNOWN_FUNCTIONS = frozenset(
    {
        *("now", "clock_timestamp", "date_trunc", "extract", "timezone", "to_char", "to_date"),
        *("lower", "upper", "btrim", "length", "substring", "replace", "concat", "format", "md5"),
        *("count", "sum", "min", "max", "avg", "abs", "round", "row_number", "array_agg"),
        *("string_agg", "unnest", "to_json", "to_jsonb", "json_build_object", "jsonb_build_object"),
        *("nextval", "gen_random_uuid", "generate_series"),
    }
)
"""What any other function does to the data cannot be seen."""
UPSERTED = "overwritten, on the condition that they conflict"
_OTHER_NAME = "what follows may concern a table under another name"
_NOT_SEEN = "the bot cannot see what it does to the data"


class Loss(Value):
    """One thing that a script destroys."""

    kind: Literal["table", "column", "rows", "unknown"]
    name: tuple[str, ...] = ()
    """Of the table, with or without schema."""
    column: str = ""
    how: str
    """What happens to it."""

    @property
    def table(self) -> str:
        """For people."""
        return ".".join(self.name)

    @property
    def sql(self) -> str:
        """For SQL."""
        return ".".join(map(identifier, self.name))


def losses(script: Script) -> tuple[Loss, ...]:
    """Everything that a script destroys or may destroy."""
    found = [loss for statement in script.statements for loss in _of(statement)]
    unread = [Loss(kind="unknown", how=f"a part of it: {script.unread}")] if script.unread else []
    return (*found, *unread)


def overwritten(statement: Statement) -> Iterator[Loss]:
    """The rows that a query deletes or changes, at any depth: a WITH may hold a DELETE."""
    for kind, tree in statement.nodes() if statement.kind in _QUERIES else ():
        if how := _changed(kind, tree):
            yield Loss(kind="rows", name=table_name(tree["relation"]), how=how)


def _changed(kind: str, tree: Tree) -> str:
    if kind == "DeleteStmt":
        return "deleted, as its condition says"
    if kind == "UpdateStmt":
        return "overwritten, as its condition says"
    if kind == "InsertStmt":
        action = tree.get("onConflictClause", {}).get("action")
        return UPSERTED if action == "ONCONFLICT_UPDATE" else ""
    clauses = tree.get("mergeWhenClauses", ()) if kind == "MergeStmt" else ()
    done = {clause["MergeWhenClause"]["commandType"] for clause in clauses}
    changes = done & {"CMD_UPDATE", "CMD_DELETE"}
    return "overwritten or deleted, as its condition says" if changes else ""


def _of(statement: Statement) -> Iterator[Loss]:
    tree = statement.tree
    match statement.kind:
        case "DropStmt" if tree["removeType"] == "OBJECT_TABLE":
            for dropped in tree["objects"]:
                name = tuple(part["String"]["sval"] for part in dropped["List"]["items"])
                yield Loss(kind="table", name=name, how="dropped")
        case "AlterTableStmt" if tree["objtype"] == "OBJECT_TABLE":
            yield from _altered(statement)
        case "TruncateStmt":
            yield from _emptied(statement)
        case "RenameStmt" | "AlterObjectSchemaStmt" if concerns_table(tree):
            yield _unknown(statement, _OTHER_NAME)
        case kind if kind in _QUERIES:
            yield from (found := tuple(overwritten(statement)))
            if _out_of_sight(statement) or (kind == "SelectStmt" and not found):
                yield _unknown(statement, _NOT_SEEN)
        case _ if not _harmless(statement):
            yield _unknown(statement, _NOT_SEEN)


def _emptied(statement: Statement) -> Iterator[Loss]:
    for relation in statement.tree["relations"]:
        yield Loss(kind="rows", name=table_name(relation["RangeVar"]), how="emptied")
    if statement.tree["behavior"] == "DROP_CASCADE":
        yield _unknown(statement, "it empties the tables that refer to it too")


def concerns_table(tree: Tree) -> bool:
    """Whether what gets another name or schema is a table or a column of one."""
    return _concerned(tree) == "OBJECT_TABLE"


def _concerned(tree: Tree) -> str:
    what = str(tree.get("renameType") or tree["objectType"])
    return str(tree["relationType"]) if what == "OBJECT_COLUMN" else what


def _harmless(statement: Statement) -> bool:
    kind, tree = statement.kind, statement.tree
    if kind == "DropStmt":
        return tree["removeType"] in _DROPPED_ALONE and tree["behavior"] == "DROP_RESTRICT"
    if kind == "AlterTableStmt":
        # An attribute of a type is a column of every table with that type.
        return tree["objtype"] in _ALTERED_ALONE - {"OBJECT_TYPE"}
    if kind in {"RenameStmt", "AlterObjectSchemaStmt"}:
        return _concerned(tree) in _ALTERED_ALONE
    # A search path gives the tables' names another meaning, also in the next session.
    if tree.get("setstmt", tree).get("name") == "search_path":
        return False
    return _HARMLESS.fullmatch(kind) is not None


def _altered(statement: Statement) -> Iterator[Loss]:
    name = table_name(statement.tree["relation"])
    for command in statement.tree["cmds"]:
        change = command["AlterTableCmd"]
        if change["subtype"] == "AT_DropColumn":
            yield Loss(kind="column", name=name, column=change["name"], how="dropped")
        elif change["subtype"] == "AT_AlterColumnType":
            how = "converted to another type"
            yield Loss(kind="column", name=name, column=change["name"], how=how)
        elif change["subtype"].startswith(_RELATED):
            yield _unknown(statement, _OTHER_NAME)


def _out_of_sight(statement: Statement) -> bool:
    """Whether it calls functions that are not known; a row's loss already asks for a look."""
    if statement.kind in {"UpdateStmt", "DeleteStmt"}:
        return False
    calls = [node["funcname"] for kind, node in statement.nodes() if kind == "FuncCall"]
    names = [".".join(part["String"]["sval"] for part in call) for call in calls]
    return any(name.removeprefix("pg_catalog.") not in _KNOWN_FUNCTIONS for name in names)


def _unknown(statement: Statement, why: str) -> Loss:
    return Loss(kind="unknown", how=f"“{statement.words[:60].strip()}”: {why}")


# Can an application that was written for the older schema run on the newer one?
#
# Judged by what the up scripts did: expanding is compatible, contracting is not (the
# expand-and-contract pattern). A script may say it itself, by a comment
# ``-- rollback-bot: compatible`` or ``-- rollback-bot: breaking``: its author knows more.

_SAID = re.compile(r"^\s*--\s*rollback-bot:\s*(compatible|breaking)\b", re.MULTILINE)
_EXPANDING = re.compile(
    r"(Create(TableAs|Seq|Enum|Range|Domain|Schema|Extension|Function|Stats)?|Index|View"
    r"|CompositeType|Comment|Grant|GrantRole|VariableSet|ConstraintsSet|Vacuum|Insert|Lock)Stmt"
)
"""Kinds of statements. VACUUM itself does not run in a transaction; ANALYZE is of its kind."""
_EXPANDING_CHANGE = re.compile(
    r"AT_(AddIdentity|ColumnDefault|Drop(NotNull|Expression|Identity|Constraint|Cluster|Oids)"
    r"|Set(?!NotNull)\w+|Reset\w*Options|(Alter|Validate)Constraint|ChangeOwner"
    r"|(Enable|Disable)(Always|Replica)?(Trig|TrigAll|TrigUser|Rule)|DisableRowSecurity)"
)
_SERIAL = re.compile(r"(small|big)?serial[248]?")
_FILLED = frozenset({"CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"})
_CHANGES_USE = "changes what the older application uses"
_TAKES_AWAY = "takes away what the older application may use"
_REFUSES = "refuses rows that the older application may write"


class Compatibility(Value):
    """What one up script means for the older application."""

    breaking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def compatible(self) -> bool | None:
        """None when it cannot be told."""
        if self.breaking:
            return False
        return None if self.unknown else True


def compatibility(text: str) -> Compatibility:
    """Judge one up script."""
    said = _SAID.search(text)
    if said:
        return Compatibility(breaking=("its author says so",) if said[1] == "breaking" else ())
    script = parse(text)
    found = {"breaking": [], "unknown": [script.problem] if script.problem else []}
    created = _created(script)
    for statement in script.statements:
        for verdict, why in _judged(statement, created):
            found[verdict].append(f"“{statement.words[:60].strip()}” {why}")
    return Compatibility(**{verdict: tuple(dict.fromkeys(why)) for verdict, why in found.items()})


def _created(script: Script) -> set[tuple[str, ...]]:
    """Tables that the older application does not know."""
    trees = [
        one.tree for one in script.statements if one.kind in {"CreateStmt", "CreateTableAsStmt"}
    ]
    return {table_name(tree.get("relation") or tree["into"]["rel"]) for tree in trees}


def _judged(statement: Statement, created: set[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    tree = statement.tree
    match statement.kind:
        case "AlterTableStmt" | "RenameStmt" | "AlterObjectSchemaStmt" | "IndexStmt" if (
            "relation" in tree and table_name(tree["relation"]) in created
        ):
            return
        case "AlterTableStmt" if tree["objtype"] == "OBJECT_TABLE":
            for command in tree["cmds"]:
                yield from _altered_column(command["AlterTableCmd"])
        case "RenameStmt" | "AlterObjectSchemaStmt" if concerns_table(tree):
            yield "breaking", _CHANGES_USE
        case "IndexStmt" if tree.get("unique"):
            yield "breaking", _REFUSES
        case "DropStmt" if tree["removeType"] in {"OBJECT_INDEX", "OBJECT_TRIGGER"}:
            return
        case kind if _takes_away(statement):
            yield "breaking", _TAKES_AWAY
        case kind if not _EXPANDING.fullmatch(kind):
            yield "unknown", "cannot be judged"


def _takes_away(statement: Statement) -> bool:
    kind, tree = statement.kind, statement.tree
    if kind in {"GrantStmt", "GrantRoleStmt"}:
        return not tree.get("is_grant")
    # New rows that take the place of old ones are what ON CONFLICT is for.
    changed = [loss for loss in overwritten(statement) if loss.how != UPSERTED]
    return bool(changed) or kind == "TruncateStmt" or kind.startswith("Drop")


def _altered_column(change: Tree) -> Iterator[tuple[str, str]]:
    match change["subtype"]:
        case "AT_AlterColumnType" | "AT_SetNotNull" | "AT_DetachPartition":
            yield "breaking", _CHANGES_USE
        case "AT_DropColumn":
            yield "breaking", "takes away a column"
        case "AT_AddConstraint":
            yield "breaking", _REFUSES
        case "AT_AddColumn":
            yield from _added(change["def"]["ColumnDef"])
        case subtype if not _EXPANDING_CHANGE.fullmatch(subtype):
            yield "unknown", "cannot be judged"


def _added(column: Tree) -> Iterator[tuple[str, str]]:
    rules = {one["Constraint"]["contype"] for one in column.get("constraints", ())}
    kind = column["typeName"]["names"][-1]["String"]["sval"]
    filled = rules & _FILLED or _SERIAL.fullmatch(kind)
    if rules & {"CONSTR_NOTNULL", "CONSTR_PRIMARY"} and not filled:
        yield "breaking", "demands a value that the older application does not write"
    elif rules & {"CONSTR_UNIQUE", "CONSTR_CHECK", "CONSTR_FOREIGN"}:
        yield "unknown", "may refuse rows that the older application writes"
