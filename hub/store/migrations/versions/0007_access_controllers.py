"""access controllers

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('access_controllers',
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('device', sa.Text(), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('epoch_at', sa.BigInteger(), nullable=False),
    sa.Column('epoch_why', sa.Text(), nullable=True),
    sa.Column('serial', sa.Text(), nullable=True),
    sa.Column('last_index', sa.BigInteger(), nullable=True),
    sa.Column('missed', sa.BigInteger(), nullable=False),
    sa.Column('missed_at', sa.BigInteger(), nullable=True),
    sa.Column('cards', sa.Integer(), nullable=True),
    sa.Column('cards_at', sa.BigInteger(), nullable=True),
    sa.Column('listed_at', sa.BigInteger(), nullable=True),
    sa.Column('foreign_json', sa.Text(), nullable=False),
    sa.Column('clock_offset_ms', sa.BigInteger(), nullable=True),
    sa.Column('clock_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['site'], ['sites.id'], name=op.f('fk_access_controllers_site_sites')),
    sa.PrimaryKeyConstraint('site', 'device', name=op.f('pk_access_controllers'))
    )
    op.create_table('controller_pages',
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('device', sa.Text(), nullable=False),
    sa.Column('format', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('doors_json', sa.Text(), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('site', 'device', 'format', 'value', name=op.f('pk_controller_pages'))
    )


def downgrade() -> None:
    op.drop_table('controller_pages')
    op.drop_table('access_controllers')
