"""The Flask application: one shape for all answers and errors, CORS, and how a body is read.

- `api.JSONApi`: Flask-RESTful's Api, which answers in JSON
- `api.error_body`: the body of an error
- `api.handle_errors`: makes an application answer every error as JSON
- `api.is_model`: whether a view function is that of a model
- `api.model_of`: the name of the model that an endpoint belongs to
- `api.to_response`: the return value of a view as a response
- `app.ServiceApp`: the class of the application
- `body.ServiceRequest`: the class of its requests
- `cors.allow_origins`: allows cross-origin access
"""
