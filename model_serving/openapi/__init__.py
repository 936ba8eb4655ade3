"""The service as an OpenAPI document, and the page that shows it.

- `docs_resource.DOCS_URLS`: the URLs of the page and of its files
- `docs_resource.DocsResource`: GET /docs
- `openapi_resource.OpenAPIResource`: GET /openapi.json
"""
