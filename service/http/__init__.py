"""What every outgoing HTTP call shares: header values, reasons of failure, the debug line."""
