"""Delivery of messages to endpoints: the loop, the queue, one signed POST, and the schedule of retries."""
