"""JSON Schemas: which bodies are valid, and what is wrong with the others.

- `answers.answer_check`: a function that validates the answers of a resource
- `compiled.BadSchema`: the error for a schema that is wrong
- `compiled.CompiledSchema`: a schema that validates bodies, and says what is wrong with them
- `number_lists.ANNOTATIONS`: the keywords that restrict nothing
- `number_lists.BOUNDS`: the keywords that are bounds of numbers
- `subschemas.Subschemas`: the schemas inside a schema, and what they refer to
- `subschemas.compile_schema`: a validator of jsonschema_rs
- `subschemas.json_pointer`: a path as a JSON Pointer
- `write_only.LEFT_OUT`: stands for a value of which nothing may be kept
- `write_only.WriteOnly`: what may be kept of a value where its schema has properties with `writeOnly`
- `validation.require_valid`: raises InvalidInput for an invalid body
- `validation.validate_json`: the decorator that puts a schema in front of a method
"""
