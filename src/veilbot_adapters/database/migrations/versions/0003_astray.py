"""Movements that were booked before their charge, and name no order, are found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ASTRAY = sa.text("order_id IS NULL")


def upgrade() -> None:
    """Add an index of the few movements that have no order."""
    op.create_index(
        "ix_payments_astray",
        "payments",
        ["provider", "charge_id", "id"],
        sqlite_where=_ASTRAY,
        postgresql_where=_ASTRAY,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_payments_astray", "payments")
