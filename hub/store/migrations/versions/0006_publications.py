"""publications

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('publications',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('format', sa.Text(), nullable=False),
    sa.Column('types_json', sa.Text(), nullable=False),
    sa.Column('kinds_json', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('cursor', sa.BigInteger(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_try_at', sa.BigInteger(), nullable=False),
    sa.Column('failing_since', sa.BigInteger(), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('delivered_at', sa.BigInteger(), nullable=True),
    sa.Column('disabled_reason', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_publications')),
    sa.UniqueConstraint('site', 'name', name=op.f('uq_publications_site_name'))
    )
    op.create_table('publication_keys',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger(), nullable=False),
    sa.Column('salt', sa.Text(), nullable=False),
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('ends_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_publication_keys_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_publication_keys'))
    )
    with op.batch_alter_table('publication_keys', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_publication_keys_publication_id'), ['publication_id'], unique=False)

    op.create_table('publication_attempts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('took_ms', sa.Integer(), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('ok', sa.Boolean(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('answer', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_publication_attempts_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_publication_attempts'))
    )
    with op.batch_alter_table('publication_attempts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_publication_attempts_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_publication_attempts_publication_id_id'), ['publication_id', 'id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('publication_attempts', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_publication_attempts_publication_id_id'))
        batch_op.drop_index(batch_op.f('ix_publication_attempts_at'))

    op.drop_table('publication_attempts')
    with op.batch_alter_table('publication_keys', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_publication_keys_publication_id'))

    op.drop_table('publication_keys')
    op.drop_table('publications')
