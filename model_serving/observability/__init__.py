"""What is counted and logged: metrics of all workers, `/metrics`, and the log.

- `access_log.configure_logging`: sets logging up from conf/logging.conf, once, for the program
- `access_log.log_failed_start`: logs why the application cannot be made
- `access_log.log_requests`: has an application write its access log
- `access_log.set_up_logging`: configures logging, unless that is done
- `log_formats.chosen_formatter`: the formatter that conf/logging.conf names
- `log_formats.log_version`: has the access log say which version serves
- `log_formats.quoted`: the path of a request as the log shows it
- `log_guard.check_logging`: sets logging back if a model has changed it
- `log_handlers.BulkStreamHandler`: the handler that conf/logging.conf names
- `metrics.begin_request`: counts a request in flight
- `metrics.count`: counts an outcome, such as that of a line of the payload log
- `metrics.count_refused_key`: counts a request without a valid key
- `metrics.record_request`: counts a request that has ended
- `metrics.init_model`: shows a model before its first request
- `metrics.unanswered_requests`: those of a worker that has ended
- `metrics.observe_batch`: counts a batch, and how long its calls have waited
- `metrics.observe_call`: counts a call of a resource
- `metrics.observe_load`: records how long a model takes to load
- `metrics_resource.MetricsResource`: GET /metrics
- `shared_cells.shared_cells`: the memory in which all workers count
"""
