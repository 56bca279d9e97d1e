"""what is active is found by an index

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

OF_ACTIVE = {
    'uq_tickets_active': ('tickets', ['kind', 'site', 'subject_type', 'subject_id']),
    'uq_problems_active': ('problems', ['site', 'code', 'subject_type', 'subject_id']),
}


def _put_anew(sqlite_condition: str) -> None:
    """SQLite uses an index with a condition only for questions that say it word for word, which is `active = 1`."""
    if op.get_bind().dialect.name != 'sqlite':
        return
    for name, (table, columns) in OF_ACTIVE.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns, unique=True, sqlite_where=sa.text(sqlite_condition))


def upgrade() -> None:
    _put_anew('active = 1')
    for name, columns in (('ix_tickets_active_site_id', ['site', 'id']), ('ix_tickets_active_id', ['id'])):
        op.create_index(
            name, 'tickets', columns, sqlite_where=sa.text('active = 1'), postgresql_where=sa.text('active')
        )
    op.create_index(op.f('ix_tickets_subject_id_id'), 'tickets', ['subject_id', 'id'])


def downgrade() -> None:
    op.drop_index(op.f('ix_tickets_subject_id_id'), table_name='tickets')
    op.drop_index('ix_tickets_active_id', table_name='tickets')
    op.drop_index('ix_tickets_active_site_id', table_name='tickets')
    _put_anew('active')
