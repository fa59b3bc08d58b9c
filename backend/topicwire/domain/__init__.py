"""What Topicwire knows and does, one module per noun: its tables and its verbs.

Every verb takes the database connection first and never commits. Nothing here knows of sockets,
of Telegram's wire format, of queues or of the environment.
"""
