"""The server: wire, REST and console on one port, behind limits that hold whatever comes.

It assembles; it decides nothing about people. Needs ``pip install 'assent[server]'``.
"""
