"""what every audit, every round of doors, every notice and every pass looks for is found by an index

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

COLUMNS = {
    'commands': ['site', 'name', 'created_at'],
    'notice_merges': ['notice_id'],
    'notice_orders': ['ticket_id'],
    'card_assignments': ['replaces_id'],
}


def _name(table: str) -> str:
    return op.f(f'ix_{table}_{"_".join(COLUMNS[table])}')


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        op.create_index(_name(table), table, columns)
    running = sa.text("state = 'running'")
    op.create_index(
        'ix_ticket_clocks_running', 'ticket_clocks', ['ticket_id'], sqlite_where=running, postgresql_where=running
    )


def downgrade() -> None:
    op.drop_index('ix_ticket_clocks_running', table_name='ticket_clocks')
    for table in reversed(COLUMNS):
        op.drop_index(_name(table), table_name=table)
