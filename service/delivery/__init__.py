"""Sends messages to endpoints: how one is signed and sent, and what its answer means. When, is the deliverer's."""
