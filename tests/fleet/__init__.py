"""Several replicas on one PostgreSQL, behind nginx, and everything that may happen to them.

`databases` has a primary with its standby, `pooler` pgbouncer in transaction mode, `balancer` nginx without stickiness,
`network` name spaces whose lines can be cut, `replicas` the servers. `traffic` locks, writes and reads through them
while something breaks, and `check` knows what each answer has promised. All of it listens on loopback or in name spaces
of its own, and ends with the test.
"""
