"""The run page: one run as HTML, live in the service and as a file by itself (`report.html`).

`content` makes of a fold what the page shows, `chart` and `intervals` its drawings, `rendering` the
HTML; templates, style and script lie beside them. Needs Jinja2; nothing here opens a socket or a file
of a run.
"""
