"""How Alembic runs our migrations: on the connection it is given, in the transaction that is open there."""

from alembic import context

from veilbot_adapters.database.tables import metadata

_attributes = context.config.attributes

context.configure(
    connection=_attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    on_version_apply=lambda *, step, **_: _attributes["applied"].append(step.up_revision_id),
)
with context.begin_transaction():
    context.run_migrations()
