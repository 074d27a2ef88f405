"""How Alembic runs the steps: in the transaction that `startup.upgrade` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
