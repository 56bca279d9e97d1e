"""case records

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('case_reports',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ticket_id', sa.BigInteger(), nullable=False),
    sa.Column('form', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('signed', sa.Boolean(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('signatory', sa.Text(), nullable=True),
    sa.Column('fields_json', sa.Text(), nullable=False),
    sa.Column('record_json', sa.Text(), nullable=True),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_case_reports_ticket_id_tickets')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_case_reports')),
    sa.UniqueConstraint('ticket_id', 'form', 'version', name=op.f('uq_case_reports_ticket_id_form_version'))
    )


def downgrade() -> None:
    op.drop_table('case_reports')
