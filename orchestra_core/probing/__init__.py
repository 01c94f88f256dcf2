"""The probe alone, behind `orchestra load`.

`opening` a target, `probes` of it, `measuring` what they come to, `searching` the rates to try, and
`figures`, the nouns of it all.
"""
