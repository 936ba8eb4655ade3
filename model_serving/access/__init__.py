"""Who may call: keys, limits, and the origins of pages.

- `guard.ADMITTED`: where the WSGI environment keeps the name of the key that a request was admitted with
- `guard.JOB`: the part of a model's endpoints that is asked for its jobs
- `guard.guard_of`: what refuses requests of an application by their heads; None where nobody is refused
- `guard.may_call`: whether the key of a request is for a model
- `guard.needs_key`: whether requests for an endpoint need a key
- `keys.ANONYMOUS`: the name of the line for callers without a key
- `keys.NAME`: what a name of a key looks like
- `mcp_access.MCPAccess`: who may use /mcp
"""
