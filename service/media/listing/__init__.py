"""Object names and listings: file sets of recorders, order and presence."""
