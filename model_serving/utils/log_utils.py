"""Logging as the service has it, for a program of its own and for conf/logging.conf."""

from model_serving.observability.access_log import configure_logging as configure_logging
from model_serving.observability.log_formats import chosen_formatter as chosen_formatter
from model_serving.observability.log_handlers import BulkStreamHandler as BulkStreamHandler
