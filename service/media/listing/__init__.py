"""Object names and listings: the file sets of recorders, their order and presence."""
