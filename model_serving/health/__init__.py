"""Whether the models answer: readiness, the health endpoints, and the warm-up.

- `failed_model_resource.failed_model_resource`: stands in for a model that could not be loaded
- `health_resource.LiveResource`: GET /health/live
- `health_resource.ReadyResource`: GET /health/ready
- `health_resource.WarmupResource`: GET /_ah/warmup
- `readiness.ModelState`: the state of a model
- `readiness.Readiness`: runs each model on its own example, and knows which are ready
- `readiness.readiness_of`: the Readiness of an application
- `readiness.refuse_failed`: raises ModelNotReady for a model that has failed
"""
