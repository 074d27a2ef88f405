"""Delivers messages to endpoints: the loop, the queue, one signed POST, and the times of retries."""
