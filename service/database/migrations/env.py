"""The Alembic environment, which runs the steps in the transaction that `startup.upgrade` passes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
