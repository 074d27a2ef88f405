"""The database itself: connections, transactions, start-up, errors, backup."""
