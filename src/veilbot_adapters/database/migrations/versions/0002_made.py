"""What a request made is remembered beside it, so that nothing is made twice when its answer is lost."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that is empty for every request that is known."""
    op.add_column("replies", sa.Column("made", sa.Uuid()))


def downgrade() -> None:
    """Forget it."""
    with op.batch_alter_table("replies") as replies:
        replies.drop_column("made")
