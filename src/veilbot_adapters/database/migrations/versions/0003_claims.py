"""What is said of a charge finds its order, before and after it: early movements, and orders that a dispute holds."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ASTRAY = sa.text("order_id IS NULL")


def upgrade() -> None:
    """Add an index of the few movements that have no order, and why an order is held."""
    op.create_index(
        "ix_payments_astray",
        "payments",
        ["provider", "charge_id", "id"],
        sqlite_where=_ASTRAY,
        postgresql_where=_ASTRAY,
    )
    op.add_column("orders", sa.Column("held_for", sa.String(32)))
    orders = sa.table("orders", sa.column("held_for"), sa.column("status"), sa.column("note"))
    disputed = orders.c.note.in_(["its payment is disputed", "the subscription is frozen by a dispute"])
    op.execute(orders.update().where(orders.c.status == "held", disputed).values(held_for="dispute"))


def downgrade() -> None:
    """Forget both."""
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("held_for")
    op.drop_index("ix_payments_astray", "payments")
