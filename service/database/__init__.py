"""Storage of the service in one SQLite file or one PostgreSQL database.

A transaction is a plain synchronous function of a connection, which `Database.run` executes. The functions of this
package take that connection and never begin, commit or wait. They make no decisions about states or next steps. Secrets
are either already sealed or are sealed here, and are never stored in plain columns.
"""
