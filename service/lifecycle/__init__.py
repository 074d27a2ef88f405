"""Pure decisions about the state of a recording.

`apply` turns an observation into a change, and `next_step` derives the next action from the row. There is no I/O, no
clock and no randomness, because callers pass `now` and fresh ids. docs/architecture.md gives an overview.
"""

from service.lifecycle.apply import apply
from service.lifecycle.deadlines import hours_end_at, hours_wanted, ran_until, task_limit_at
from service.lifecycle.schedule import next_step, overtaken_at

__all__ = ["apply", "hours_end_at", "hours_wanted", "next_step", "overtaken_at", "ran_until", "task_limit_at"]
