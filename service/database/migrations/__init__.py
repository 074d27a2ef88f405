"""Every schema there ever was, as steps forward; `startup` runs them. A released step is never changed."""
