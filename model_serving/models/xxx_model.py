"""XXX Model: the reference, the one to copy."""

import logging


class XXXModel:
    """Says hello."""

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing XXX Model ...')

    def hello(self, name: str) -> str:
        """A greeting for `name`."""
        return f'Hello, {name}!'
