"""A project with real Alembic migrations, as ``alembic init`` lays it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

INI = "[alembic]\nscript_location = %(here)s/migrations\n"
ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

URL = os.environ.get("SHOP_DATABASE_URL", "postgresql+psycopg://")  # else as libpq finds it


def offline():
    context.configure(url=URL, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def online():
    engine = create_engine(URL, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()


offline() if context.is_offline_mode() else online()
"""
REVISION = '''"""{name}"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
depends_on = {depends!r}


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''


class Project:
    """The migrations of the shop: users, their preferences, their tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "migrations" / "versions").mkdir(parents=True)
        (folder / "alembic.ini").write_text(INI, encoding="utf-8")
        self.environment(ENVIRONMENT)
        self.revision("aaa40", None, "create users", CREATE_USERS, "op.drop_table('users')")
        self.revision(
            "aaa41",
            "aaa40",
            "add preferences",
            "op.add_column('users', sa.Column('preferences', sa.Text()))",
            "op.drop_column('users', 'preferences')",
        )
        self.revision(
            "aaa42",
            "aaa41",
            "add oauth tokens",
            CREATE_TOKENS,
            "op.drop_constraint('lower_case', 'users')\n    op.drop_table('oauth_tokens')",
        )

    def environment(self, text: str) -> None:
        """The project's env.py."""
        (self.folder / "migrations" / "env.py").write_text(text, encoding="utf-8")

    def revision(
        self,
        revision: str,
        down: str | tuple[str, ...] | None,
        name: str,
        upgrade: str = "pass",
        downgrade: str = "pass",
        *,
        depends: Sequence[str] | None = None,
    ) -> None:
        """One file of versions/, written anew."""
        text = REVISION.format(
            revision=revision,
            down=down,
            name=name,
            upgrade=upgrade,
            downgrade=downgrade,
            depends=depends,
        )
        path = self.folder / "migrations" / "versions" / f"{revision}.py"
        path.write_text(text, encoding="utf-8")


CREATE_USERS = """op.create_table(
        'users',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('email', sa.Text(), nullable=False),
    )"""
CREATE_TOKENS = """op.create_table(
        'oauth_tokens',
        sa.Column('user_id', sa.Integer(), sa.ForeignKey('users.id')),
        sa.Column('token', sa.Text(), nullable=False),
    )
    op.create_check_constraint('lower_case', 'users', 'email = lower(email)')"""
