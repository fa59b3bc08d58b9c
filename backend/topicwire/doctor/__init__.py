"""The doctor: whether everything is in order here, and how to mend what is not."""
