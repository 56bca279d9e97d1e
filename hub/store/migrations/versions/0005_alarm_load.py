"""alarm load

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('tickets', sa.Column('shelved_until', sa.BigInteger(), nullable=True))
    op.add_column('tickets', sa.Column('maintenance', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('tickets', sa.Column('parent_id', sa.BigInteger(), nullable=True))
    op.create_index('ix_tickets_site_kind_opened_at', 'tickets', ['site', 'kind', 'opened_at'], unique=False)
    op.create_index(op.f('ix_tickets_parent_id'), 'tickets', ['parent_id'], unique=False)
    op.create_index(op.f('ix_ticket_timeline_recorded_at'), 'ticket_timeline', ['recorded_at'], unique=False)
    op.create_table(
        'suppressions',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('site', sa.Text(), nullable=False),
        sa.Column('what', sa.Text(), nullable=False),
        sa.Column('ticket_id', sa.BigInteger(), nullable=True),
        sa.Column('subject_type', sa.Text(), nullable=True),
        sa.Column('subject_id', sa.Text(), nullable=True),
        sa.Column('kind', sa.Text(), nullable=True),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('by', sa.Text(), nullable=False),
        sa.Column('since', sa.BigInteger(), nullable=False),
        sa.Column('until', sa.BigInteger(), nullable=False),
        sa.Column('ended_at', sa.BigInteger(), nullable=True),
        sa.Column('ended_by', sa.Text(), nullable=True),
        sa.Column('end_reason', sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(['site'], ['sites.id'], name=op.f('fk_suppressions_site_sites')),
        sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_suppressions_ticket_id_tickets')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_suppressions')),
    )
    op.create_index(
        'ix_suppressions_running',
        'suppressions',
        ['site'],
        unique=False,
        sqlite_where=sa.text('ended_at IS NULL'),
        postgresql_where=sa.text('ended_at IS NULL'),
    )
    op.create_index(op.f('ix_suppressions_ticket_id'), 'suppressions', ['ticket_id'], unique=False)


def downgrade() -> None:
    op.drop_table('suppressions')
    op.drop_index(op.f('ix_ticket_timeline_recorded_at'), table_name='ticket_timeline')
    op.drop_index(op.f('ix_tickets_parent_id'), table_name='tickets')
    op.drop_index('ix_tickets_site_kind_opened_at', table_name='tickets')
    op.drop_column('tickets', 'parent_id')
    op.drop_column('tickets', 'maintenance')
    op.drop_column('tickets', 'shelved_until')
