"""Early movements find the order of their charge, orders say why they are held, and lost disputes are booked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ASTRAY = sa.text("order_id IS NULL")
_KINDS = "kind IN ('charge', 'refund', 'dispute', 'reversal', 'refund_failed')"
_MORE_KINDS = "kind IN ('charge', 'refund', 'dispute', 'reversal', 'dispute_lost', 'refund_failed')"


def upgrade() -> None:
    """Add a kind of movement, an index of the few that have no order, and why an order is held."""
    _allow(_MORE_KINDS)
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
    """Forget all three."""
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("held_for")
    op.drop_index("ix_payments_astray", "payments")
    op.execute("DELETE FROM payments WHERE kind = 'dispute_lost'")
    _allow(_KINDS)


def _allow(kinds: str) -> None:
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint(op.f("ck_payments_kind"), type_="check")
        payments.create_check_constraint(op.f("ck_payments_kind"), kinds)
