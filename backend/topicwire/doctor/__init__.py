"""The doctor: is everything in order here, and does Telegram behave as we assume it does.

examination   settings, servers, clock, bot and groups, one finding for each thing looked at
replay        the table of `assumptions`, tried on a real bot and a scratch group
"""
