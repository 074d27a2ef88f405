"""Everything that is kept: one SQLite file, or one PostgreSQL database.

A transaction is a plain synchronous function of a connection, which `run.Database.run` executes; the functions of this
room take that connection and never begin, commit or wait. Decisions live elsewhere: nothing here knows what a state
means or what happens next. Secrets arrive here sealed or are sealed here; they are never columns.
"""
