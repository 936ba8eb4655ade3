"""The page at `/` with a form for each model, and the files of client/.

For the others:

- `index_resource.IndexResource`: `GET /`, as that page or as JSON
- `pages.serve_client`: serves /client/
"""
