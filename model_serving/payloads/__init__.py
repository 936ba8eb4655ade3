"""What is kept of calls: the payload log, and answers that are given again.

- `around.with_post`: a resource with something around its `post`
- `payload_log.log_payloads`: has an application log what its models are asked and answer
- `remembered.remembering`: a resource whose answers are remembered, if it asks for that
"""
