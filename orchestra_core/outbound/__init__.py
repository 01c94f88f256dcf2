"""The one door to the outside: every request of the core, and of runners that ask over HTTP.

`addresses` (what an address may look like), `policy` (which may be asked, under which alias), `names`
(a name is resolved once), `dialling` and `transport` (one attempt, bounded in time and size),
`reading` (what came back), `secrets`, `pacing`, `slots`, `breaker`, `retrying`, `allowance`,
`upstream`, `admission` (how a target is treated), and `door`, which puts them together. Runners get
theirs by `request.open_door()`.
"""
