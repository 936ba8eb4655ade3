"""What is kept of calls: the payload log.

- `payload_log.log_payloads`: has an application log what its models are asked and answer
"""
