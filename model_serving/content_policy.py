"""The Content-Security-Policy of a page: its own inline scripts, and what comes from its own origin."""

import re
from base64 import b64encode
from hashlib import sha256

INLINE_SCRIPT = re.compile(rb'<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script', re.DOTALL | re.IGNORECASE)
POLICY = (
    "default-src 'self' data: blob:; script-src {}; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def policy_of(page: bytes) -> str:
    """The policy of an HTML page: no other script runs in it, and it is shown in no frame."""
    scripts = [script.replace(b'\r\n', b'\n') for script in INLINE_SCRIPT.findall(page)]
    hashes = [f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in scripts]
    return POLICY.format(' '.join(["'self'", *hashes]))
