"""The protocols of others: Open Inference, TensorFlow Serving, MLflow, OpenAI's embeddings, MCP.

- `body.plain_bytes`: the most that a compressed body becomes
- `embeddings.Embeddings`: where a model takes texts, and has their vectors
- `embeddings.embeddings_of`: what a resource declares of that
- `forward.respond`: what an application answers, as a response
- `forward.with_body`: an environment for a request of its own
- `mcp_resource.mount_mcp`: mounts /mcp, where the settings say so
- `mount.PLATFORM_HEALTH`: the endpoint of the platform's own question for the health
- `mount.mount_protocols`: mounts them for the models that have tensors
- `open_inference_resource.RepositoryIndexResource`: /v2/repository/index
- `open_inference_resource.ServerLiveResource`: GET /v2/health/live
- `open_inference_resource.ServerReadyResource`: GET /v2/health/ready
- `open_inference_resource.ServerResource`: GET /v2
- `signature.Signature`: the inputs and outputs of a model
- `signature.Tensor`: the name, datatype and shape of one of them
- `tensorflow_serving_resource.ModelsResource`: GET /v1/models
"""
