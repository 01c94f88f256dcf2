"""The `http` backend: any JSON service, asked through the core's door as a mapping says.

`mapping` (the strict model), `presets` (mappings of known services), `template` (values into a
request), `asking` (one configuration and question into a request), `answers` (what came back),
`fingerprint` (what is served), `sharing` (one request for several `top_k`), `runner` (the core's).
"""
