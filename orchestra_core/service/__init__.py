"""The HTTP API, and a page to watch: `orchestra serve`, extra `orchestra-core[service]`.

A view of the journals beside a small queue of orders, each a folder under `reports/service/`. Runs are
carried by processes of the CLI, so a crash of one takes nothing else along. Nothing in the core
imports this room.

`gate` (what a request must be), `models` (bodies and answers), `asking` and `desk` (from a body to a
plan, in a process of its own), `orders` and `pool` (the queue and its workers), `following` and
`views` (the fold, kept up to date), `routes`, `app` and `serving`.
"""
