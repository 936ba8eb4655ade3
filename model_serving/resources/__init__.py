"""The models' resources: one file each, with the instance, the schema, and `post`."""
