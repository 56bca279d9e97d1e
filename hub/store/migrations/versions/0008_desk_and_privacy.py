"""desk and privacy

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('works',
    sa.Column('id', SERIAL, nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('unit', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('contractor', sa.Text(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('opened_at', sa.BigInteger(), nullable=False),
    sa.Column('opened_by', sa.Text(), nullable=False),
    sa.Column('accepted_at', sa.BigInteger(), nullable=True),
    sa.Column('accepted_by', sa.Text(), nullable=True),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['site'], ['sites.id'], name=op.f('fk_works_site_sites')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_works')),
    sa.UniqueConstraint('site', 'reference', name=op.f('uq_works_site_reference'))
    )
    op.create_index(op.f('ix_works_site_unit'), 'works', ['site', 'unit'], unique=False)
    op.create_table('deposit_entries',
    sa.Column('id', SERIAL, nullable=False),
    sa.Column('assignment_id', sa.BigInteger(), nullable=False),
    sa.Column('about_id', sa.BigInteger(), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('entry', sa.Text(), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('party', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('reverses_id', sa.BigInteger(), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['assignment_id'], ['card_assignments.id'],
                            name=op.f('fk_deposit_entries_assignment_id_card_assignments')),
    sa.ForeignKeyConstraint(['about_id'], ['card_assignments.id'],
                            name=op.f('fk_deposit_entries_about_id_card_assignments')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deposit_entries')),
    sa.UniqueConstraint('reverses_id', name=op.f('uq_deposit_entries_reverses_id')),
    sa.UniqueConstraint('site', 'entry', 'document', name=op.f('uq_deposit_entries_site_entry_document'))
    )
    op.create_index(op.f('ix_deposit_entries_assignment_id'), 'deposit_entries', ['assignment_id'], unique=False)
    op.create_index(op.f('ix_deposit_entries_about_id'), 'deposit_entries', ['about_id'], unique=False)
    op.create_table('audit',
    sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('roles', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('detail_json', sa.Text(), nullable=False),
    sa.Column('key_id', sa.Text(), nullable=False),
    sa.Column('previous', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_audit'))
    )
    op.create_index(op.f('ix_audit_by_subject_at'), 'audit', ['by', 'subject', 'at'], unique=False)
    op.create_table('id_copies',
    sa.Column('id', SERIAL, nullable=False),
    sa.Column('assignment_id', sa.BigInteger(), nullable=False),
    sa.Column('media_type', sa.Text(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('cipher', sa.LargeBinary(), nullable=True),
    sa.Column('key_id', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('deleted_at', sa.BigInteger(), nullable=True),
    sa.Column('deleted_why', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['assignment_id'], ['card_assignments.id'],
                            name=op.f('fk_id_copies_assignment_id_card_assignments')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_id_copies'))
    )
    op.create_index(op.f('ix_id_copies_assignment_id'), 'id_copies', ['assignment_id'], unique=False)
    # Columns that are added one by one: a table that others refer to cannot be copied under SQLite's foreign keys.
    op.add_column('card_assignments', sa.Column('id_cipher', sa.LargeBinary(), nullable=True))
    op.add_column('card_assignments', sa.Column('id_key', sa.Text(), nullable=True))
    op.add_column('card_assignments', sa.Column('minor', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('card_assignments', sa.Column('works_id', sa.BigInteger(), nullable=True))
    op.create_index(op.f('ix_card_assignments_works_id'), 'card_assignments', ['works_id'], unique=False)
    op.create_index(op.f('ix_card_assignments_id_digest'), 'card_assignments', ['id_digest'], unique=False)
    _carry_over()


def _carry_over() -> None:
    # Digests so far were made with the first key of the installation.
    op.execute("UPDATE card_assignments SET id_key = 'k1' WHERE id_digest IS NOT NULL")
    # What was paid beyond the fee is the deposit; the newest receipt names it.
    op.execute(
        """
        INSERT INTO deposit_entries
            (assignment_id, about_id, site, entry, amount_fen, document, party, reason, note, reverses_id, "at", "by")
        SELECT a.id, a.id, a.site, 'received', p.paid - a.fee_fen, p.receipt, a.holder_name, NULL, '', NULL, p.paid_at, p.paid_by
        FROM card_assignments a
        JOIN (
            SELECT q.assignment_id AS assignment_id, SUM(q.amount_fen) AS paid, MAX(q.receipt) AS receipt,
                MAX(q."at") AS paid_at, MAX(q."by") AS paid_by
            FROM card_payments q GROUP BY q.assignment_id
        ) p ON p.assignment_id = a.id
        WHERE a.deposit_fen > 0 AND a.fee_fen IS NOT NULL AND p.paid > a.fee_fen
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM meta WHERE key = 'audit_head'")
    op.drop_index(op.f('ix_card_assignments_id_digest'), table_name='card_assignments')
    op.drop_index(op.f('ix_card_assignments_works_id'), table_name='card_assignments')
    with op.batch_alter_table('card_assignments', schema=None) as batch_op:
        batch_op.drop_column('works_id')
        batch_op.drop_column('minor')
        batch_op.drop_column('id_key')
        batch_op.drop_column('id_cipher')
    op.drop_table('id_copies')
    op.drop_table('audit')
    op.drop_table('deposit_entries')
    op.drop_table('works')
