"""The databases of a server, as one that creates and renames them must know them."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from bot.domain.values import Value
from bot.ports.world import World
from strategies.postgres.client import Session, identifier, literal

RESTORED = "rollback-bot: restored"
RESTORING = "rollback-bot: restoring"
"""Comments on a database that tell a finished restore from one that broke off."""


class Found(Value):
    """A database."""

    name: str
    oid: int
    owner: str
    encoding: str
    collate: str
    ctype: str
    provider: str
    """``c`` for libc, ``i`` for ICU."""
    comment: str
    open: bool
    sessions: tuple[str, ...]


async def databases(session: Session, world: World) -> dict[str, Found]:
    """All databases by name; ``session`` is at the maintenance database."""
    rows = await session.rows(
        world,
        "SELECT datname AS name, d.oid::bigint AS oid, pg_get_userbyid(datdba) AS owner, "
        "pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype, "
        "coalesce(to_jsonb(d)->>'datlocprovider', 'c') AS provider, datallowconn AS open, "
        "coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment, "
        "(SELECT coalesce(json_agg(format('%s%s, process %s', coalesce(usename, '?'), "
        "CASE WHEN application_name <> '' THEN ' (' || application_name || ')' END, pid) "
        "ORDER BY backend_start), '[]') FROM pg_stat_activity WHERE datid = d.oid "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS sessions "
        "FROM pg_database d",
    )
    return {row["name"]: Found.model_validate(row) for row in rows}


def settings_of(old_oid: int, new: str) -> str:
    """psql input that gives a database the settings, rights and limit of another one.

    An archive of one database does not carry them; ``\\gexec`` runs what each query returns.
    """
    lists = (
        "'search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries'"
    )
    name = literal(identifier(new))
    return f"""
SELECT format('ALTER %s SET %I TO %s',
  CASE WHEN setrole = 0 THEN 'DATABASE ' || {name}
    ELSE format('ROLE %I IN DATABASE ', pg_get_userbyid(setrole)) || {name} END,
  split_part(s, '=', 1),
  -- Lists are kept with their quotes; quoted again they would be one word.
  CASE WHEN split_part(s, '=', 1) IN ({lists}) THEN substr(s, strpos(s, '=') + 1)
    ELSE quote_literal(substr(s, strpos(s, '=') + 1)) END)
FROM pg_db_role_setting, unnest(setconfig) AS s WHERE setdatabase = {old_oid} \\gexec
SELECT format('REVOKE ALL ON DATABASE %s FROM PUBLIC', {name})
FROM pg_database WHERE oid = {old_oid} AND datacl IS NOT NULL \\gexec
SELECT format('GRANT %s ON DATABASE %s TO %s%s', privilege_type, {name},
  CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database, aclexplode(datacl) WHERE oid = {old_oid} \\gexec
SELECT format('ALTER DATABASE %s CONNECTION LIMIT %s', {name}, datconnlimit)
FROM pg_database WHERE oid = {old_oid} AND datconnlimit <> -1 \\gexec
"""
