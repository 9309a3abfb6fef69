"""Houses of any size: a hundred states, or a hundred thousand with a million versions, and what requests cost in them.

    python -m tests.scale generate --data DIR --states 100000 --versions 1000000
    python -m tests.scale generate --database-url postgresql://… --states 100000 --versions 1000000
    python -m tests.scale compare  --states 100000 --versions 1000000      cost of each request beside 100 states
    python -m tests.scale compare  --states 100000 --versions 1000000 --postgres

`rows` makes what a house of that size would have written, `load` puts it straight into the tables, `costs` asks two
running servers the same things in turn and tells what each request cost their processes.
"""
